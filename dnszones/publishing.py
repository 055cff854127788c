"""From SQL to the hidden primary: build the zones, compare with what is stored, write what differs.

One worker at a time builds (a lock in Redis). The version that Redis holds is the base of every
comparison, never SQL's memory of it: what secondaries were given is what the next difference is made
from. A build that changes nothing keeps the serial; one that would take too much away is refused,
and the last good version stays.
"""

import gc
import logging
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import redis
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from alarms.models import Alarm
from alarms.services import alarm_clear, alarm_raise
from dnszones.answering import Answering, answer_sites
from dnszones.builder import Built, Neighbourhood, build_zone
from dnszones.errors import BuildBusy
from dnszones.facts import Facts, read_facts
from dnszones.guard import Shrinking, refusal
from dnszones.models import SecondaryState, StagedZone, Zone, ZoneVersion
from dnszones.secondaries import secondaries_publish
from dnszones.serials import newest, next_serial
from dnszones.sites import sites_add
from dnszones.store import StoredZone, confirm_index, read_seen, read_zone, remove_zone, write_version
from dnszones.zonedata import Change, RRset, Soa, Texts, decode_rrsets, diff, encode_rrsets
from edge import keyspace
from edge.store import reaching_redis

logger = logging.getLogger(__name__)

#: Seconds after which the lock of a worker that was killed is free; a build of 100,000 names takes a few.
LOCK_TIME = 60
#: Seconds for which a task waits for the build of another worker.
PATIENCE = 30.0
#: Names that a version keeps for people to read.
MOST_NAMES = 50
#: How many versions of a zone are remembered.
MOST_VERSIONS = 500

REFUSED = "zone_refused"


@dataclass(frozen=True)
class Outcome:
    """What became of one zone. `changed`: names that differ; `refused`: why nothing was published."""

    apex: str
    serial: int
    changed: int = 0
    names: int = 0
    refused: str = ""


@dataclass
class Rebuilt:
    """A whole build. `awaited`: node → the lowest revision that a name waits for; `unpublished`: there
    are documents that are not even in Redis. Either is a reason to build again soon."""

    outcomes: list[Outcome] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    awaited: dict[str, int] = field(default_factory=dict)
    unpublished: bool = False


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
            confirm_index(client, every)
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
    result = Rebuilt(awaited=answering.awaited, unpublished=facts.unpublished)
    texts: dict[tuple[RRset, ...], str] = {}
    around, seen = Neighbourhood(zones.values()), _seen_serials()
    unchanged: list[int] = []
    for apex, zone in sorted(zones.items()):
        if apex not in rows or (only and apex not in only):
            continue
        built = build_zone(zone, around, answering.answers[apex])
        row = rows[apex]
        publication = _Publication(
            client, row, stored[apex], built, facts_at, answering, seen.get(row.pk, [])
        )
        outcome = publication.carry_out(_encode(built, texts), force=apex in forced)
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


@dataclass
class _Publication:
    """One zone on its way to Redis."""

    client: "redis.Redis"
    row: Zone
    stored: StoredZone | None
    built: Built
    facts_at: datetime
    answering: Answering
    seen: list[int]

    def carry_out(self, texts: Texts, *, force: bool) -> Outcome:
        before = self.stored.names if self.stored else {}
        changes = diff(before, texts)
        why = self._refusal(before, texts, changes, force)
        if why:
            self._note_refusal(why)
            return Outcome(self.row.apex, self.row.serial, len(changes), len(before), why)
        known = self._known_serials()
        same = self.stored and not changes and Soa.parse(self.stored.soa) == self.built.soa
        if same and self.stored and newest(known) == self.stored.serial:
            outcome = Outcome(self.row.apex, self.stored.serial, 0, len(texts))
            if self.row.serial != self.stored.serial:
                # It was written by a worker that was killed before it could note it.
                self._note_version(self.stored.serial, {}, texts)
            if not self.as_noted(outcome):
                self._note_built(self.stored.serial)
            return outcome
        serial = next_serial(known, now=time.time())
        written = write_version(
            self.client,
            self.row.apex,
            expected_serial=self.stored.serial if self.stored else None,
            serial=serial,
            soa=self.built.soa,
            changes=changes,
            full=self.stored is None,
        )
        if not written:
            raise BuildBusy
        self._note_version(serial, changes, texts)
        self._note_built(serial)
        return Outcome(self.row.apex, serial, len(changes), len(texts))

    def as_noted(self, outcome: Outcome) -> bool:
        """Whether SQL knows all of it already, but that it was built anew: mostly so, and for many zones."""
        noted = (self.row.serial, self.row.refusal, self.row.warnings)
        return noted == (outcome.serial, "", self.built.warnings) and not (outcome.changed or outcome.refused)

    def _known_serials(self) -> list[int]:
        known = [self.row.serial, *self.seen]
        known += [state.serial or 0 for state in read_seen(self.client, self.row.apex).values()]
        return [*known, self.stored.serial] if self.stored else known

    def _refusal(
        self, before: Mapping[str, str], texts: Texts, changes: Mapping[str, Change], force: bool
    ) -> str:
        if not any(rtype == "NS" for rtype, _, _ in self.built.names.get("@", ())):
            return "It has no name server yet: a zone needs one at least."
        if force:
            return ""
        removed = sum(1 for _, new in changes.values() if new is None)
        shrinking = Shrinking(removed, len(before))
        if not self.stored and (last := ZoneVersion.objects.filter(zone=self.row).first()):
            # Redis has lost the zone: what is left to compare with is how many names it had.
            shrinking = Shrinking(last.names - len(texts), last.names)
        return refusal(shrinking, share=settings.CIRRUS.zone_remove_share)

    def _note_refusal(self, why: str) -> None:
        Zone.objects.filter(pk=self.row.pk).update(refusal=why, warnings=self.built.warnings)
        if self.stored:
            sentence = f"The zone {self.row} was built and not published. {why}"
            severity = Alarm.Severity.CRITICAL
            alarm_raise(kind=REFUSED, subject=self.row.apex, sentence=sentence, severity=severity)

    def _note_built(self, serial: int) -> None:
        Zone.objects.filter(pk=self.row.pk).update(
            serial=serial, built_at=self.facts_at, refusal="", warnings=self.built.warnings
        )
        alarm_clear(kind=REFUSED, subject=self.row.apex)

    def _note_version(self, serial: int, changes: Mapping[str, Change], texts: Texts) -> None:
        ZoneVersion.objects.update_or_create(
            zone=self.row,
            serial=serial,
            defaults={
                "facts_at": self.facts_at,
                "published_at": timezone.now(),
                "changed": len(changes),
                "changed_names": sorted(changes)[:MOST_NAMES],
                "names": len(texts),
                "nodes": sorted(self.answering.nodes[self.row.apex]),
                "replaced_ttl": replaced_ttl(changes),
            },
        )
        old = ZoneVersion.objects.filter(zone=self.row).order_by("-pk").values_list("pk", flat=True)
        if len(pks := list(old[MOST_VERSIONS : MOST_VERSIONS + 1])):
            ZoneVersion.objects.filter(zone=self.row, pk__lte=pks[0]).delete()


def replaced_ttl(changes: Mapping[str, Change]) -> int:
    """Seconds for which resolvers may keep something that these changes have replaced or removed."""
    longest = 0
    for old, new in changes.values():
        if old:
            now = set(decode_rrsets(new)) if new else set()
            longest = max(longest, *(ttl for _, ttl, _ in set(decode_rrsets(old)) - now), 0)
    return longest


def nodes_of(zone: Zone) -> list[str]:
    """The nodes that the newest version of a zone answers with."""
    last = ZoneVersion.objects.filter(zone=zone).order_by("-pk").first()
    return list(last.nodes) if last else []


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
