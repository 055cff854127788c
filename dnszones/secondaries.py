"""What the hidden primary is told of the secondaries, and their keys."""

import base64
import secrets

import redis

from accounts.sealing import seal
from dnszones.models import Secondary
from dnszones.store import SecondaryEntry, tsig_record, write_secondaries

#: Bytes of a new key: as many as the digest has (RFC 8945 section 8 asks for half of that at least).
KEY_BYTES = {
    Secondary.Algorithm.SHA256: 32,
    Secondary.Algorithm.SHA384: 48,
    Secondary.Algorithm.SHA512: 64,
}


def secondary_give_key(*, secondary: Secondary, secret: str = "") -> None:
    """Give it this key (base64), or a new one, and save it. The secondary must be configured anew then."""
    size = KEY_BYTES[Secondary.Algorithm(secondary.tsig_algorithm)]
    text = secret or base64.b64encode(secrets.token_bytes(size)).decode()
    secondary.tsig_secret = seal(text.encode(), record=tsig_record(secondary.tsig_name))
    secondary.save()


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
