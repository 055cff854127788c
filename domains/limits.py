"""How much of each thing a document may have (twin: edge/lua/cirrus/limits.lua; a test compares the two)."""

ORIGINS = 64
ALIASES = 10_000
TTL = 31_536_000
"""Seconds."""
STALE = 2_592_000
"""Seconds. Nothing stays longer than 30 days in a cache, so old purges can be forgotten."""
RULES = 100
CONDITIONS = 20
"""Of a rule."""
VALUES = 100
"""Of a condition."""
ALL_VALUES = 2_000
"""Of all conditions of a domain."""
PATH = 512
"""Characters of a prefix or a glob."""
REGEX = 256
FIELD_NAME = 128
"""Characters of the name of a header, a cookie or an argument."""
FIELD_VALUE = 256
STATUS_RANGES = 20
ARGUMENTS = 100
"""That a key keeps or leaves out."""
KEY_PARTS = 8
"""Headers in a key, and as many cookies."""
PURGES = 4_096
"""Records of a host."""
PURGE_NAME = 8_192
CHAIN = 65_536
"""Characters of a certificate and those above it, PEM."""
CERTIFICATE_NAMES = 1_000
SEALED_KEY = 8_192
"""Characters of a sealed private key."""
CLIENT_CA = 65_536
"""Characters of the authorities that client certificates are held against, PEM."""
HSTS = 315_360_000
"""Seconds."""
TOKENS = 1_000
"""Of HTTP-01, of one domain at once."""
TOKEN = 256
"""Characters."""
TICKET_KEYS = 16
