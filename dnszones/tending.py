"""When zones are built: at once after a save, soon again while edges catch up, and where one is amiss."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from dnszones.errors import BuildBusy
from dnszones.models import StagedZone, Zone
from dnszones.publishing import Rebuilt, zones_rebuild
from edge import keyspace
from edge.acks import read_acks
from edge.errors import NotPublished
from edge.store import reaching_redis

logger = logging.getLogger(__name__)

#: Seconds until a build that waits for edges is tried again, and how often; then the scheduled job does it.
SOON, TRIES = 0.25, 60


@dataclass(frozen=True)
class Followed:
    """What a build came to. `again`: it is worth trying again after `SOON` seconds; `published`: something
    was, so that the secondaries are worth asking."""

    again: bool = False
    published: bool = False


def zones_follow(*, attempt: int = 0) -> Followed:
    """Build what is staged; at a further attempt, only if an edge that was waited for has caught up.

    What cannot be built now stays staged.
    """
    try:
        if attempt and not StagedZone.objects.exists() and not _caught_up():
            return Followed(again=attempt < TRIES)
        result = zones_rebuild()
        note_awaited(result)
    except (BuildBusy, NotPublished) as error:
        logger.warning("the zones wait: %s", error)
        return Followed()
    return Followed(
        again=bool(result.awaited or result.unpublished) and attempt < TRIES,
        published=any(outcome.changed and not outcome.refused for outcome in result.outcomes),
    )


def zones_tend() -> bool:
    """The scheduled job: build where something is staged, awaited and there, or lost; whether it built."""
    try:
        if not (StagedZone.objects.exists() or _caught_up() or _lost()):
            return False
        note_awaited(zones_rebuild(patience=1))
    except (BuildBusy, NotPublished) as error:
        logger.warning("the zones wait: %s", error)
        return False
    return True


def zones_reconcile() -> None:
    """Build every zone, whatever is staged."""
    if not Zone.objects.exists():
        return
    try:
        note_awaited(zones_rebuild())
    except (BuildBusy, NotPublished) as error:
        logger.warning("the zones were not compared: %s", error)


def note_awaited(result: Rebuilt) -> None:
    """Keep in Redis for which edges and revisions the newest build waits."""
    with reaching_redis() as client:
        if result.awaited or result.unpublished:
            said = {"nodes": result.awaited, "unpublished": result.unpublished}
            client.set(keyspace.ZONES_AWAITED, json.dumps(said))
        else:
            client.delete(keyspace.ZONES_AWAITED)


def _caught_up() -> bool:
    """Whether somebody for whom the newest build waits has come as far."""
    with reaching_redis() as client:
        text = client.get(keyspace.ZONES_AWAITED)
    if not text:
        return False
    said = json.loads(str(text))
    awaited: Mapping[str, int] = said["nodes"]
    acks = read_acks(awaited)
    return bool(said["unpublished"]) or any(acks.of(name).rev >= rev for name, rev in awaited.items())


def _lost() -> bool:
    """Whether Redis lacks a zone, or holds another version than the one that we know of."""
    known = dict(Zone.objects.published().filter(serial__gt=0).values_list("apex", "serial"))
    with reaching_redis() as client:
        stored = client.hgetall(keyspace.ZONES) if known else {}
    return any(stored.get(apex) != str(serial) for apex, serial in known.items())
