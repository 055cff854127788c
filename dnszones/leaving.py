"""Make before break, the second half: what leaves the DNS may leave the edges when nobody knows it any more.

A name (or a node) is gone for every client when a build has left it out, every secondary answers that
build's version, and the TTL of the last answer that a resolver may hold has passed.
"""

import math
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from dnszones.models import Site, Zone, ZoneVersion
from dnszones.names import closest_apex
from dnszones.publication import nodes_of
from dnszones.staging import zones_stage
from edge.models import Publication
from edge.services import names_leave_at, names_leaving, names_release
from nodes.models import Node
from nodes.services import LEAVING, node_withdrawn

#: A replaced answer lives for its TTL at most, and no TTL is longer (dnszones.models.zone.MOST_TTL).
LONGEST = timedelta(days=7)


def leaving_settle() -> int:
    """Release what no client can know any more; the number of documents whose names were released."""
    now = timezone.now()
    zones = list(Zone.objects.published())
    by_apex = {zone.apex: zone for zone in zones}
    released = sum(_settle(publication, by_apex, now) for publication in names_leaving())
    _settle_nodes(zones, now)
    return released


def _settle(publication: Publication, zones: dict[str, Zone], now: datetime) -> bool:
    gone: set[str] = set()
    latest: list[datetime | None] = []
    for names, in_zones in _parts(publication, zones):
        since = max(datetime.fromtimestamp(publication.leaving[name], UTC) for name in names)
        until = _latest([free_at(zone, since, now) for zone in in_zones], now)
        if until and until <= now:
            gone |= names
        else:
            latest.append(until)
    if gone:
        names_release(publication=publication, names=gone)
    elif latest:
        names_leave_at(publication=publication, at=_latest(latest, now))
    return bool(gone)


def _parts(publication: Publication, zones: dict[str, Zone]) -> list[tuple[set[str], list[Zone]]]:
    """Names that go together, and the zones that have answered with them."""
    found = {name: closest_apex(name, zones) for name in publication.leaving}
    if not publication.held:
        return [({name}, [zones[apex]] if apex else []) for name, apex in found.items()]
    # The whole domain, so also its access name.
    ids = {*Site.objects.order_by().values_list("zone_id", flat=True).distinct()}
    apexes = {zone.apex for zone in zones.values() if zone.pk in ids} | {
        apex for apex in found.values() if apex
    }
    return [({*found}, [zones[apex] for apex in sorted(apexes)])]


def _settle_nodes(zones: list[Zone], now: datetime) -> None:
    """Tell which leaving nodes no secondary answers with, and for how long resolvers still may."""
    for node in Node.objects.filter(state__in=LEAVING, withdrawn_at=None):
        until = _latest([free_at(zone, node.updated_at, now) for zone in zones], now)
        # A last resort stays in the answers: nothing better is left to answer with.
        if until and not any(node.name in nodes_of(zone) for zone in zones):
            node_withdrawn(node=node, ttl=math.ceil((until - now).total_seconds()))


def free_at(zone: Zone, since: datetime, now: datetime) -> datetime | None:
    """When the last answer of this zone from before `since` has expired; None while that is not known.

    A zone that has not been built since then is staged, lest it be waited for in vain.
    """
    if not zone.serial:
        return now  # nobody has ever been given it
    if zone.built_at is None or zone.built_at <= since:
        if not zone.refusal:
            zones_stage([zone.pk])
        return None
    versions = ZoneVersion.objects.filter(zone=zone)
    after = versions.filter(facts_at__gt=since).order_by("pk").first() or versions.order_by("-pk").first()
    if after is None:
        return now
    until = versions.filter(pk__lte=after.pk)
    if until.filter(insync_at=None).exists():
        return None
    recent = until.filter(insync_at__gt=now - LONGEST).values_list("insync_at", "replaced_ttl")
    return max([now, *(at + timedelta(seconds=ttl) for at, ttl in recent if at)])


def _latest(moments: list[datetime | None], now: datetime) -> datetime | None:
    known = [moment for moment in moments if moment]
    return max([now, *known]) if len(known) == len(moments) else None
