"""What an operator reads of a zone: one honest line. Reads SQL only, so it holds with Redis down."""

from collections.abc import Iterable
from datetime import datetime

from dnszones.models import SecondaryState, StagedZone, Zone, ZoneVersion
from dnszones.staging import EVERY
from dnszones.watching import reached, secondaries_by_zone
from edge.statuses import PublicationStatus, clock, duration, names


def zone_statuses(zones: Iterable[Zone]) -> dict[int, PublicationStatus]:
    """The line of each zone, in a constant number of queries."""
    ids = [zone.pk for zone in zones]
    staged = {
        row.zone_id: row.staged_at
        for row in StagedZone.objects.filter(zone_id__in=[EVERY, *ids]).order_by("-pk")
    }
    # Read after that: a build that ends meanwhile is else seen neither as waiting nor as done. The caller's
    # rows may be older than the save that is shown.
    some = list(Zone.objects.filter(pk__in=ids))
    by_zone = secondaries_by_zone(some)
    states = {(s.zone_id, s.secondary_id): s for s in SecondaryState.objects.filter(zone__in=ids)}
    wanted = [zone.serial for zone in some]
    versions = {
        version.zone_id: version
        for version in ZoneVersion.objects.filter(zone__in=ids, serial__in=wanted)
        if version.serial == next(zone.serial for zone in some if zone.pk == version.zone_id)
    }

    def line(zone: Zone) -> PublicationStatus:
        serving = [(s.name, states.get((zone.pk, s.pk))) for s in by_zone[zone.pk]]
        since = min((at for pk in (EVERY, zone.pk) if (at := staged.get(pk))), default=None)
        return zone_status(zone, versions.get(zone.pk), serving, staged_since=since)

    return {zone.pk: line(zone) for zone in some}


def zone_status(
    zone: Zone,
    version: ZoneVersion | None,
    secondaries: list[tuple[str, SecondaryState | None]],
    *,
    staged_since: datetime | None,
) -> PublicationStatus:
    """The line of one zone. `secondaries`: those that are given it, and what each was seen to answer."""
    if not zone.enabled:
        return PublicationStatus("off", "not published: disabled")
    if zone.refusal:
        return PublicationStatus("refused", f"not published as it was built: {zone.refusal.rstrip('.')}")
    if not zone.serial or version is None:
        return PublicationStatus("pending", "not built yet; a worker does it")
    if staged_since:
        return PublicationStatus("pending", f"saved at {clock(staged_since)}, being built", zone.serial)
    if not secondaries:
        return PublicationStatus("off", f"version {zone.serial}; no secondary is given it", zone.serial)
    behind = [name + _why(state) for name, state in secondaries if not _has(state, zone.serial)]
    counts = (zone.serial, len(secondaries) - len(behind), len(secondaries))
    on = f"version {zone.serial} is answered by {counts[1]} of {counts[2]} secondaries"
    if behind:
        return PublicationStatus("pending", f"PENDING: {on}, waiting for {names(behind)}", *counts)
    took = ""
    if version.insync_at:
        took = (
            f", {duration((version.insync_at - version.published_at).total_seconds())} after it was published"
        )
    return PublicationStatus("ok", f"INSYNC: {on}{took}", *counts)


def _has(state: SecondaryState | None, serial: int) -> bool:
    return state is not None and reached(state.serial, serial)


def _why(state: SecondaryState | None) -> str:
    if state is None:
        return " (not asked yet)"
    return f" ({state.error})" if state.error else f" (it answers {state.serial})"
