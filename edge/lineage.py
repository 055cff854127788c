"""Whether Redis and the database still tell one story: cheap enough to ask before every write."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from edge import keyspace
from edge.models import Kind, Publication
from edge.revisions import current_keyspace
from edge.store import reaching_redis

Position = tuple[int, int]  # (epoch, revision); compared in this order

#: Where a keyspace stands that nobody has written to.
NOWHERE: Position = (0, 0)


class Lineage(Enum):
    """How Redis stands to the database."""

    SOUND = "sound"
    FORGOT = "Redis has lost what was published to it"
    AHEAD = "Redis knows newer revisions than the database"


@dataclass(frozen=True)
class Standing:
    """The lineage, and the newest position that Redis knows."""

    lineage: Lineage
    redis: Position


def read_standing(*, thorough: bool = False) -> Standing:
    """Compare the newest positions of both. Raises `RedisUnreachable`.

    `thorough` looks at indexes and tombstones too, for the case that only `cdn:meta` was lost.
    """
    # SQL is read first: what it has recorded was in Redis before, so Redis can only look too new
    # for a moment, never too old.
    recorded: Position = Publication.objects.order_by("-rev").values_list("epoch", "rev").first() or NOWHERE
    with reaching_redis() as client:
        epoch, rev = client.hmget(keyspace.META, keyspace.META_EPOCH, keyspace.META_REV)
        known: Position = (int(epoch or 0), int(rev or 0))
        if thorough:
            sets = [name(kind) for kind in Kind.values for name in (keyspace.index_key, keyspace.gone_key)]
            for key in sets:
                newest: Any = client.zrange(key, -1, -1, withscores=True)
                known = (known[0], max([known[1], *(int(score) for _, score in newest)]))
    return Standing(compare(redis=known, recorded=recorded, given=_given()), known)


def compare(*, redis: Position, recorded: Position, given: Position) -> Lineage:
    """`recorded`: the newest publication in SQL; `given`: the newest number that SQL gave out."""
    if redis > given:
        return Lineage.AHEAD
    return Lineage.FORGOT if redis < recorded else Lineage.SOUND


def _given() -> Position:
    counters = current_keyspace()
    return counters.epoch, counters.revision
