"""What the secret of a token looks like. Pure.

    cirrus_ + 43 characters of 62 (256 random bits) + 6 characters of checksum

Scanners of code find it by `cirrus_[0-9A-Za-z]{49}`, and know a real one by its checksum (CRC-32 of the 43
characters, in base 62): a mistyped secret is refused without a look into the database.
"""

import hashlib
import secrets
import string
import zlib

PREFIX = "cirrus_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
#: 62 ** 43 > 2 ** 256
RANDOM = 43
CHECKSUM = 6
#: So many characters of the random part are shown, for recognition.
SHOWN = 4


def make_secret() -> str:
    """A new secret."""
    body = base62(secrets.randbits(256), RANDOM)
    return PREFIX + body + checksum(body)


def is_well_formed(secret: str) -> bool:
    """Whether it can be a secret of ours."""
    body = secret.removeprefix(PREFIX)
    if len(secret) != len(PREFIX) + RANDOM + CHECKSUM or len(body) != RANDOM + CHECKSUM:
        return False
    return set(body) <= set(ALPHABET) and body[RANDOM:] == checksum(body[:RANDOM])


def digest_of(secret: str) -> str:
    """What is stored: SHA-256, in hexadecimal. 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def prefix_of(secret: str) -> str:
    """How it begins, for recognition."""
    return secret[: len(PREFIX) + SHOWN]


def checksum(body: str) -> str:
    """Six characters that tell a mistyped secret."""
    return base62(zlib.crc32(body.encode()), CHECKSUM)


def base62(number: int, width: int) -> str:
    """A number in base 62, filled up with zeros on the left."""
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
