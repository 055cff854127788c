"""From SQL to the hidden primary: build the zones, compare with what is stored, write what differs.

One worker at a time builds (a lock in Redis). The version that Redis holds is the base of every
comparison, never SQL's memory of it: what secondaries were given is what the next difference is made
from. A build that changes nothing keeps the serial; one that would take too much away is refused,
and the last good version stays.
"""

import gc
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import redis
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.utils import timezone

from alarms.services import alarm_clear
from dnszones.answering import answer_sites
from dnszones.builder import Built, Neighbourhood, build_zone
from dnszones.errors import BuildBusy
from dnszones.facts import Facts, read_facts
from dnszones.models import SecondaryState, StagedZone, Zone
from dnszones.publication import REFUSED, Outcome, ZonePublication, nodes_of, note_refusal
from dnszones.secondaries import secondaries_publish
from dnszones.sites import sites_add
from dnszones.store import confirm_index, read_zone, remove_zone
from dnszones.zonedata import RRset, Texts, encode_rrsets
from edge import keyspace
from edge.store import reaching_redis

logger = logging.getLogger(__name__)

#: Seconds after which the lock of a worker that was killed is free; a build of 100,000 names takes a few.
LOCK_TIME = 60
#: Seconds for which a task waits for the build of another worker.
PATIENCE = 30.0


@dataclass
class Rebuilt:
    """A whole build. `awaited`: node → the lowest revision that a name waits for, in this epoch;
    `unpublished`: there are documents that are not even in Redis, or are just being written. Either is a
    reason to build again soon."""

    outcomes: list[Outcome] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    awaited: dict[str, int] = field(default_factory=dict)
    unpublished: bool = False
    epoch: int = 0


@contextmanager
def _building(patience: float) -> Iterator["redis.Redis"]:
    """The one right to build. Raises `BuildBusy`, `RedisUnreachable`."""
    with reaching_redis() as client:
        lock = client.lock(keyspace.ZONES_LOCK, timeout=LOCK_TIME, sleep=0.02, blocking_timeout=patience)
        if not lock.acquire():
            raise BuildBusy
        try:
            yield client
        finally:
            try:
                lock.release()
            except redis.exceptions.LockError:
                logger.warning("the lock of the zones expired; serials kept the versions in order")


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Spare a build of 100,000 sites Python's search for cycles, which would look at all of them again and
    again while they come into being; there are none. It takes two thirds of the time then."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def zones_rebuild(*, force: bool = False, only: Collection[str] = (), patience: float = PATIENCE) -> Rebuilt:
    """Build and publish every zone, or those named in `only` (apexes).

    `force` publishes also what the guard refuses. Raises `BuildBusy`, `NotPublished`; what was staged
    stays staged then.
    """
    with _building(patience) as client, _without_collecting():
        # From here on whoever saves asks for another build: we may have read before that save.
        client.delete(keyspace.ZONES_POKE)
        staged = list(StagedZone.objects.all())
        facts_at = timezone.now()
        sites_add()
        facts = read_facts()
        secondaries_publish(client)
        every = {zone.apex for zone in facts.zones.values()}
        forced = (
            every
            if force
            else {facts.zones[r.zone_id].apex for r in staged if r.force and r.zone_id in facts.zones}
        )
        result = _publish_all(client, facts, facts_at, forced=forced, only=only)
        if not only:
            result.removed = _remove_gone(client, staged, facts)
            # One that was never published is not served, and cannot be missing.
            confirm_index(client, {outcome.apex for outcome in result.outcomes if outcome.serial})
            _forget(staged)
    return result


def _publish_all(
    client: "redis.Redis", facts: Facts, facts_at: datetime, *, forced: set[str], only: Collection[str]
) -> Rebuilt:
    zones = {zone.apex: zone for zone in facts.zones.values()}
    stored = {apex: read_zone(client, apex) for apex in zones}
    rows = {zone.apex: zone for zone in Zone.objects.published()}
    lost = {apex: nodes_of(rows[apex]) for apex, zone in stored.items() if not zone and apex in rows}
    answering = answer_sites(facts, {apex: zone.names for apex, zone in stored.items() if zone}, lost)
    result = Rebuilt(
        awaited=answering.awaited,
        unpublished=facts.unpublished or answering.postponed,
        epoch=facts.epoch,
    )
    texts: dict[tuple[RRset, ...], str] = {}
    around, seen = Neighbourhood(zones.values()), _seen_serials()
    unchanged: list[int] = []
    for apex, zone in sorted(zones.items()):
        if apex not in rows or (only and apex not in only):
            continue
        row = rows[apex]
        try:
            built = build_zone(zone, around, answering.answers[apex])
            encoded = _encode(built, texts)
        except SoftTimeLimitExceeded:
            raise  # it is the task that has no time left
        except Exception as error:  # one zone must not hold up the others
            logger.exception("cannot build %s", apex)
            why = f"It cannot be built ({type(error).__name__}: {error})."
            note_refusal(row, why, alarm=True)
            result.outcomes.append(Outcome(apex, row.serial, refused=why))
            continue
        publication = ZonePublication(
            client, row, stored[apex], built, facts_at, answering, seen.get(row.pk, [])
        )
        outcome = publication.carry_out(encoded, force=apex in forced)
        result.outcomes.append(outcome)
        if publication.as_noted(outcome):
            unchanged.append(row.pk)
    Zone.objects.filter(pk__in=unchanged).update(built_at=facts_at)
    return result


def _seen_serials() -> dict[int, list[int]]:
    """Zone → the versions that secondaries were seen with (by the marker: one that signs has own serials)."""
    found: dict[int, list[int]] = {}
    for zone_id, serial in SecondaryState.objects.exclude(serial=None).values_list("zone_id", "serial"):
        found.setdefault(zone_id, []).append(serial or 0)
    return found


def _encode(built: Built, made: dict[tuple[RRset, ...], str]) -> Texts:
    """The texts of a zone; the same answers at many names are encoded once."""
    texts: Texts = {}
    for owner, rrsets in built.names.items():
        if (text := made.get(rrsets)) is None:
            text = made[rrsets] = encode_rrsets(rrsets)
        texts[owner] = text
    return texts


def _remove_gone(client: "redis.Redis", staged: list[StagedZone], facts: Facts) -> list[str]:
    """Withdraw the zones that were deleted or disabled: those that a save has told us of, and no others.

    A database that was restored from an old copy lacks zones too, and must not take them off the air.
    """
    published = {zone.apex for zone in facts.zones.values()}
    gone = sorted({row.apex for row in staged if row.apex} - published)
    for apex in gone:
        remove_zone(client, apex)
        alarm_clear(kind=REFUSED, subject=apex)
    return gone


def _forget(staged: list[StagedZone]) -> None:
    pks = [row.pk for row in staged]
    for start in range(0, len(pks), 500):
        with transaction.atomic():
            StagedZone.objects.filter(pk__in=pks[start : start + 500]).delete()
