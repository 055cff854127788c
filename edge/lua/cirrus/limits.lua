-- How much of each thing a document may have. Its twin is domains/limits.py; a test compares the two.
return {
  ORIGINS = 64,
  ALIASES = 10000,
  TTL = 31536000, -- seconds
  STALE = 2592000, -- seconds; nothing stays longer than 30 days in a cache
  RULES = 100,
  CONDITIONS = 20, -- of a rule
  VALUES = 100, -- of a condition
  ALL_VALUES = 2000, -- of all conditions of a domain
  PATH = 512, -- characters of a prefix or a glob
  REGEX = 256,
  FIELD_NAME = 128, -- of a header, a cookie or an argument
  FIELD_VALUE = 256,
  STATUS_RANGES = 20,
  ARGUMENTS = 100, -- that a key keeps or leaves out
  KEY_PARTS = 8, -- headers, and as many cookies
  PURGES = 4096, -- records of a host
  PURGE_NAME = 8192,
  CHAIN = 65536, -- characters of a certificate and those above it, PEM
  CERTIFICATE_NAMES = 1000,
  SEALED_KEY = 8192, -- characters
  CLIENT_CA = 65536, -- characters of the authorities that client certificates are held against, PEM
  HSTS = 315360000, -- seconds
  TOKENS = 1000, -- of HTTP-01, of one domain at once
  TOKEN = 256, -- characters
  TICKET_KEYS = 16,
}
