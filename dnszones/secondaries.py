"""What the hidden primary is told of the secondaries, and their keys."""

import base64
import binascii
import hmac
import secrets

import redis
from django.core.exceptions import ValidationError

from accounts.sealing import open_sealed, seal
from dnszones.models import Secondary
from dnszones.store import SecondaryEntry, tsig_record, write_secondaries

#: Bytes of a new key: as many as the digest has (RFC 8945 section 8 asks for half of that at least).
KEY_BYTES = {
    Secondary.Algorithm.SHA256: 32,
    Secondary.Algorithm.SHA384: 48,
    Secondary.Algorithm.SHA512: 64,
}


def secondary_give_key(*, secondary: Secondary, secret: str = "") -> str:
    """Give it this key (base64), or a new one, and save it; the key. It must be configured anew then."""
    size = KEY_BYTES[Secondary.Algorithm(secondary.tsig_algorithm)]
    text = secret or base64.b64encode(secrets.token_bytes(size)).decode()
    secondary.tsig_secret = seal(text.encode(), record=tsig_record(secondary.tsig_name))
    secondary.save()
    return text


def secondary_has_key(*, secondary: Secondary, secret: str) -> bool:
    """Whether this is its key. Raises `NotOpened` where the sealed one cannot be read."""
    held = open_sealed(secondary.tsig_secret, record=tsig_record(secondary.tsig_name))
    return hmac.compare_digest(held, secret.encode())


def key_checked(text: str) -> str:
    """A key that somebody has typed. Raises `ValidationError`."""
    try:
        size = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ValidationError("This is not base64; one looks like this: openssl rand -base64 32") from error
    least = min(KEY_BYTES.values()) // 2
    if size < least:
        raise ValidationError(f"A key has {least} bytes or more; this one has {size}.")
    return text


def secondaries_publish(client: "redis.Redis") -> bool:
    """Tell the primary which secondaries there are; False where that is no news."""
    enabled = Secondary.objects.filter(enabled=True).prefetch_related("zones")
    return write_secondaries(client, [_entry(secondary) for secondary in enabled])


def _entry(secondary: Secondary) -> SecondaryEntry:
    zones = tuple(sorted(zone.apex for zone in secondary.zones.all()))
    return SecondaryEntry(
        name=secondary.name,
        address=secondary.address,
        port=secondary.port,
        tsig_name=secondary.tsig_name,
        tsig_algorithm=secondary.tsig_algorithm,
        tsig_secret=secondary.tsig_secret,
        zones=zones or None,
    )
