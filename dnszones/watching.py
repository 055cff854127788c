"""What the secondaries answer: asked, noted, and turned from PENDING to INSYNC."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Prefetch, Q
from django.utils import timezone

from alarms.models import Alarm
from alarms.services import alarms_settle
from dnszones.asking import TIMEOUT, Question, Seen, ask
from dnszones.errors import NotInSync
from dnszones.models import Secondary, SecondaryState, Zone, ZoneVersion
from dnszones.zonedata import is_newer
from edge import keyspace
from edge.statuses import clock
from edge.store import reaching_redis

logger = logging.getLogger(__name__)

#: How long a secondary that answered the newest version is believed to do so still.
BELIEVED = timedelta(seconds=30)
#: A secondary that has been behind for longer raises an alarm: one that was away asks again after two
#: minutes at most, and one that refuses a version does not get well by itself.
BEHIND = timedelta(minutes=3)
BEHIND_ALARM = "secondary_behind"
#: Zones that its sentence names.
SOME = 3
#: Seconds for which a look that was asked for and has not begun is trusted to be still there.
WAITING_TIME = 30
#: Seconds between two questions of somebody who waits.
POLL = 0.05
FIELDS = ["serial", "soa_serial", "asked_at", "seen_at", "behind_since", "error"]


def reached(answered: int | None, serial: int) -> bool:
    """Whether a secondary that answers version `answered` has `serial`."""
    return answered is not None and (answered == serial or is_newer(answered, serial))


def secondaries_by_zone(zones: Iterable[Zone]) -> dict[int, list[Secondary]]:
    """Zone → the enabled secondaries that are given it."""
    enabled = Secondary.objects.filter(enabled=True).prefetch_related(
        Prefetch("zones", queryset=Zone.objects.only("pk"))
    )
    limited = [(secondary, {zone.pk for zone in secondary.zones.all()}) for secondary in enabled]
    return {zone.pk: [s for s, some in limited if not some or zone.pk in some] for zone in zones}


def watch_is_due() -> bool:
    """Whether a look at the secondaries is to be asked for; False where one waits to begin already.

    With a secondary that is silent each takes seconds: they must not pile up before a worker.
    """
    with reaching_redis() as client:
        return bool(client.set(keyspace.ZONES_WATCH, "1", nx=True, ex=WAITING_TIME))


def watch_begins() -> None:
    """Who publishes from now on asks for another look."""
    with reaching_redis() as client:
        client.delete(keyspace.ZONES_WATCH)


def secondaries_watch(*, zones: Iterable[Zone] | None = None, everything: bool = False) -> int:
    """Ask what is not known to be in sync (or was not asked for a while), and note it.

    Of a zone that was never published there is nothing to ask.
    Returns how many versions are in sync since now.
    """
    watched = [zone for zone in (Zone.objects.published() if zones is None else zones) if zone.serial]
    by_zone = secondaries_by_zone(watched)
    states = {
        (state.zone_id, state.secondary_id): state
        for state in SecondaryState.objects.filter(zone__in=[zone.pk for zone in watched])
    }
    given = {(zone.pk, secondary.pk) for zone in watched for secondary in by_zone[zone.pk]}
    if over := [state.pk for pair, state in states.items() if pair not in given]:
        SecondaryState.objects.filter(pk__in=over).delete()  # it is not given the zone any more
    now = timezone.now()
    questions = [
        Question(secondary.pk, zone.pk, zone.apex, secondary.address, secondary.port)
        for zone in watched
        for secondary in by_zone[zone.pk]
        if everything or _worth_asking(states.get((zone.pk, secondary.pk)), zone, now)
    ]
    _note(ask(questions), {zone.pk: zone for zone in watched}, states)
    return versions_settle(watched, by_zone)


def _worth_asking(state: SecondaryState | None, zone: Zone, now: datetime) -> bool:
    return (
        state is None
        or bool(state.error)
        or not reached(state.serial, zone.serial)
        or state.asked_at < now - BELIEVED
    )


def _note(
    answers: dict[Question, Seen], zones: dict[int, Zone], states: dict[tuple[int, int], SecondaryState]
) -> None:
    now = timezone.now()
    rows = []
    for question, seen in answers.items():
        before = states.get((question.zone_id, question.secondary_id))
        serial = before.serial if before and seen.serial is None else seen.serial
        rows.append(
            SecondaryState(
                zone_id=question.zone_id,
                secondary_id=question.secondary_id,
                serial=serial,
                soa_serial=seen.soa_serial or (before.soa_serial if before else None),
                asked_at=now,
                seen_at=(before.seen_at if before else None) if seen.error else now,
                behind_since=_behind_since(zones[question.zone_id], serial, before, now),
                error=seen.error,
            )
        )
    SecondaryState.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["zone", "secondary"], update_fields=FIELDS, batch_size=500
    )


def _behind_since(
    zone: Zone, serial: int | None, before: SecondaryState | None, now: datetime
) -> datetime | None:
    """Since when it lacks something: since the first version that it lacks, as far as that is known.

    One that follows each version within a second is never far behind, however often there is one.
    """
    if reached(serial, zone.serial):
        return None
    if before and before.behind_since and before.serial == serial:
        return before.behind_since
    versions = ZoneVersion.objects.filter(zone=zone).order_by("pk")
    has = versions.filter(serial=serial).first() if serial is not None else None
    if has is None and before and before.behind_since:
        return before.behind_since
    lacked = versions.filter(pk__gt=has.pk) if has else versions.filter(serial=zone.serial)
    first = lacked.first()
    return first.published_at if first else now


@dataclass(frozen=True)
class Lag:
    """How far one secondary is behind with one zone. `seconds`: 0 where it answers the newest version."""

    apex: str
    secondary: str
    seconds: float
    answers: bool


def secondary_lags(*, now: datetime) -> list[Lag]:
    """One for each zone and secondary that has been asked for it."""
    asked = SecondaryState.objects.filter(secondary__enabled=True, zone__enabled=True)
    rows = asked.values_list("zone__apex", "secondary__name", "behind_since", "error")
    return [
        Lag(apex, name, max(0.0, (now - behind).total_seconds()) if behind else 0.0, not error)
        for apex, name, behind, error in rows
    ]


def behind_alarm(*, now: datetime) -> None:
    """Have an alarm for each secondary that lacks a version, or is silent, for too long; and for no other."""
    limit = now - BEHIND
    asked = SecondaryState.objects.filter(secondary__enabled=True, zone__enabled=True)
    silent = Q(seen_at__lt=limit) & ~Q(error="")
    rows = (
        asked.filter(Q(behind_since__lt=limit) | silent)
        .order_by("secondary__name", "zone__apex")
        .values_list("secondary__name", "zone__apex", "serial", "error", "behind_since", "seen_at")
    )
    found: dict[str, list[str]] = {}
    for name, apex, serial, error, behind, seen in rows:
        why = error or f"it answers {serial}"
        moment = behind or seen
        since = f" since {clock(moment)}" if moment else ""
        found.setdefault(name, []).append(f"{apex}{since}: {why}")
    alarms_settle(
        kind=BEHIND_ALARM,
        sentences={name: _behind_sentence(name, zones) for name, zones in found.items()},
        severity=Alarm.Severity.CRITICAL,
    )


def _behind_sentence(name: str, zones: list[str]) -> str:
    more = f" and {len(zones) - SOME:,} more" if len(zones) > SOME else ""
    return (
        f"The secondary {name} does not answer the newest version of {len(zones):,} "
        f"zone{'s' if len(zones) > 1 else ''} ({'; '.join(zones[:SOME])}{more}). It may "
        "be down, not reach the primary, or its verifier has refused the version: its log says why. Disable "
        "one that is gone for good."
    )


def versions_settle(zones: Iterable[Zone], by_zone: dict[int, list[Secondary]]) -> int:
    """Note which pending versions every secondary answers by now; their number."""
    now, settled = timezone.now(), 0
    ids = [zone.pk for zone in zones]
    seen = {(s.zone_id, s.secondary_id): s for s in SecondaryState.objects.filter(zone__in=ids)}
    pending = ZoneVersion.objects.filter(zone__in=ids, insync_at=None).order_by("pk")
    done = []
    for version in pending:
        states = [seen.get((version.zone_id, secondary.pk)) for secondary in by_zone[version.zone_id]]
        if all(state and reached(state.serial, version.serial) for state in states):
            done.append(version.pk)
    for start in range(0, len(done), 500):
        chunk = ZoneVersion.objects.filter(pk__in=done[start : start + 500], insync_at=None)
        settled += chunk.update(insync_at=now)
    return settled


def insync_wait(*, zone: Zone, serial: int, timeout: float) -> float:
    """Ask every 50 ms until every secondary answers `serial` or a newer version; the seconds it took.

    Asks the secondaries themselves, so that nobody else need be running. Raises `NotInSync`.
    """
    start = time.monotonic()
    waiting = {
        secondary: Question(secondary.pk, zone.pk, zone.apex, secondary.address, secondary.port)
        for secondary in secondaries_by_zone([zone])[zone.pk]
    }
    why: dict[str, str] = {}
    while waiting:
        left = timeout - (time.monotonic() - start)
        if left <= 0:
            raise NotInSync(apex=zone.apex, serial=serial, waiting=why)
        answers = ask(waiting.values(), timeout=max(0.1, min(TIMEOUT, left)))
        why = {}
        for secondary, question in list(waiting.items()):
            seen = answers[question]
            if reached(seen.serial, serial):
                del waiting[secondary]
            else:
                why[secondary.name] = seen.error or f"it answers {seen.serial}"
        if waiting:
            time.sleep(POLL)
    secondaries_watch(zones=[Zone.objects.get(pk=zone.pk)])
    return time.monotonic() - start
