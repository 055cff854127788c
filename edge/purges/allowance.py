"""How much of a domain may be purged: a token bucket in SQL, so that all processes share it."""

from datetime import datetime

from django.conf import settings

from edge.errors import PurgeLimited
from edge.models import PurgeAllowance


def refilled(*, room: float, seconds: float, burst: int, per_second: float) -> float:
    """The room of a bucket after so many seconds; a clock that went back fills nothing."""
    return min(float(burst), room + max(0.0, seconds) * per_second)


def take(*, domain_id: int, host: str, targets: int, now: datetime) -> None:
    """Take the room for so many targets, or raise `PurgeLimited`. Inside a transaction of the caller.

    The row stays locked until that ends: the purges of one domain are made one after the other.
    """
    burst, per_second = settings.CIRRUS.purge_burst, settings.CIRRUS.purge_per_second
    # Looked for and locked in one step: one that is full again may be deleted at any moment before.
    bucket, _ = PurgeAllowance.objects.select_for_update().get_or_create(
        domain_id=domain_id, defaults={"room": burst, "at": now}
    )
    room = refilled(
        room=bucket.room, seconds=(now - bucket.at).total_seconds(), burst=burst, per_second=per_second
    )
    if targets > room:
        seconds = (targets - room) / per_second if targets <= burst else None
        raise PurgeLimited(host=host, wanted=targets, room=int(room), seconds=seconds, burst=burst)
    bucket.room, bucket.at = room - targets, max(now, bucket.at)
    bucket.save(update_fields=["room", "at"])
