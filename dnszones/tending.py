"""When zones are built: at once after a save, soon again while edges catch up, and where one is amiss."""

import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

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
    """What a build came to. `again`: it is worth trying again after `SOON` seconds, as part of `chain`;
    `published`: something was, so that the secondaries are worth asking."""

    again: bool = False
    published: bool = False
    chain: str = ""


@dataclass(frozen=True)
class Awaited:
    """For whom the newest build waits: node → revision, of this epoch. `chain`: who tries again."""

    chain: str = ""
    epoch: int = 0
    nodes: Mapping[str, int] = field(default_factory=dict)
    unpublished: bool = False


def zones_follow(*, attempt: int = 0, chain: str = "") -> Followed:
    """Build what is staged; at a further attempt, only if an edge that was waited for has caught up.

    Of many builds that wait, only the last is followed by further attempts, which name its `chain`. What
    cannot be built now stays staged.
    """
    chain = chain or secrets.token_hex(8)
    try:
        if attempt:
            awaited = read_awaited()
            if awaited is None or awaited.chain != chain:
                return Followed()  # a newer build is followed, or nobody is waited for any more
            if not StagedZone.objects.exists() and not _caught_up(awaited):
                return Followed(again=attempt < TRIES, chain=chain)
        result = zones_rebuild()
        note_awaited(result, chain=chain)
    except (BuildBusy, NotPublished) as error:
        logger.warning("the zones wait: %s", error)
        return Followed()
    return Followed(
        again=bool(result.awaited or result.unpublished) and attempt < TRIES,
        published=any(outcome.changed and not outcome.refused for outcome in result.outcomes),
        chain=chain,
    )


def zones_tend() -> bool:
    """The scheduled job: build where something is staged, awaited and there, or lost; whether it built."""
    try:
        if not (StagedZone.objects.exists() or _caught_up(read_awaited()) or _lost()):
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


def note_awaited(result: Rebuilt, *, chain: str = "") -> None:
    """Keep in Redis for which edges and revisions the newest build waits; without `chain` who follows the
    last one follows on."""
    if not (result.awaited or result.unpublished):
        with reaching_redis() as client:
            client.delete(keyspace.ZONES_AWAITED)
        return
    if not chain and (before := read_awaited()):
        chain = before.chain
    said = Awaited(chain, result.epoch, result.awaited, result.unpublished)
    with reaching_redis() as client:
        client.set(keyspace.ZONES_AWAITED, json.dumps(asdict(said)))


def read_awaited() -> Awaited | None:
    """The same; None where nobody is waited for."""
    with reaching_redis() as client:
        text = client.get(keyspace.ZONES_AWAITED)
    return Awaited(**json.loads(str(text))) if text else None


def _caught_up(awaited: Awaited | None) -> bool:
    """Whether somebody who is waited for has come as far."""
    if awaited is None:
        return False
    acks = read_acks(awaited.nodes)
    return awaited.unpublished or any(
        acks.of(name).has(epoch=awaited.epoch, rev=rev) for name, rev in awaited.nodes.items()
    )


def _lost() -> bool:
    """Whether Redis lacks a zone, or holds another version than the one that we know of.

    One whose newest build was refused is not built again and again for that.
    """
    known = dict(Zone.objects.published().filter(serial__gt=0, refusal="").values_list("apex", "serial"))
    with reaching_redis() as client:
        stored = client.hgetall(keyspace.ZONES) if known else {}
    return any(stored.get(apex) != str(serial) for apex, serial in known.items())
