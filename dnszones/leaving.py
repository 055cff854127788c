"""Make before break, the second half: what leaves the DNS may leave the edges when nobody knows it any more.

A name (or a node) is gone for every client when a build has left it out, every secondary answers that
build's version, and the TTL of the last answer that a resolver may hold has passed.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from dnszones.models import Site, Zone, ZoneVersion
from dnszones.names import closest_apex
from dnszones.staging import zones_stage
from edge.models import Publication
from edge.services import names_leave_at, names_leaving, names_release
from nodes.models import Node
from nodes.services import LEAVING, node_withdrawn

logger = logging.getLogger(__name__)

#: A replaced answer lives for its TTL at most, and no TTL is longer (dnszones.models.zone.MOST_TTL).
LONGEST = timedelta(days=7)


def leaving_settle() -> int:
    """Release what no client can know any more; the number of documents whose names were released."""
    zones = list(Zone.objects.published())
    by_apex = {zone.apex: zone for zone in zones}
    released = sum(_settle(publication, by_apex) for publication in names_leaving())
    _settle_nodes(zones)
    return released


def _settle(publication: Publication, zones: dict[str, Zone]) -> bool:
    now = timezone.now()
    if publication.held:
        # The whole domain, so also its access name.
        ids = Site.objects.values_list("zone_id", flat=True).distinct()
        access = {zone for zone in zones.values() if zone.pk in set(ids)}
        found = [closest_apex(name, zones) for name in publication.leaving]
        ends = [(set(publication.leaving), {*access, *(zones[apex] for apex in found if apex)})]
    else:
        ends = [
            ({name}, {zones[apex]} if (apex := closest_apex(name, zones)) else set())
            for name in publication.leaving
        ]
    gone: set[str] = set()
    latest: list[datetime | None] = []
    for names, in_zones in ends:
        since = max(_moment(publication.leaving[name]) for name in names)
        until = _latest(free_at(zone, since) for zone in in_zones)
        if until and until <= now:
            gone |= names
        else:
            latest.append(until)
    if gone:
        names_release(publication=publication, names=gone)
    elif latest:
        names_leave_at(publication=publication, at=_latest(latest))
    return bool(gone)


def _settle_nodes(zones: list[Zone]) -> None:
    """Tell which leaving nodes no secondary answers with, and for how long resolvers still may."""
    now = timezone.now()
    for node in Node.objects.filter(state__in=LEAVING, withdrawn_at=None):
        ends = [free_at(zone, node.updated_at) for zone in zones]
        if any(node.name in nodes_of(zone) for zone in zones):
            continue  # a last resort: nothing better is left to answer with
        until = _latest(ends)
        if until:
            node_withdrawn(node=node, ttl=max(0, round((until - now).total_seconds())))


def nodes_of(zone: Zone) -> list[str]:
    """The nodes that the newest version of a zone answers with."""
    newest = ZoneVersion.objects.filter(zone=zone).order_by("-pk").first()
    return list(newest.nodes) if newest else []


def free_at(zone: Zone, since: datetime) -> datetime | None:
    """When the last answer of this zone from before `since` has expired; None while that is not known.

    A zone that has not been built since then is staged, lest it be waited for in vain.
    """
    if zone.built_at is None or zone.built_at <= since:
        if not zone.serial:
            return timezone.now()  # nobody has ever been given it
        if not zone.refusal:
            zones_stage([zone.pk])
        return None
    versions = ZoneVersion.objects.filter(zone=zone)
    after = versions.filter(facts_at__gt=since).order_by("pk").first() or versions.order_by("-pk").first()
    if after is None:
        return timezone.now()
    until = versions.filter(pk__lte=after.pk)
    if until.filter(insync_at=None).exists():
        return None
    recent = until.filter(insync_at__gt=timezone.now() - LONGEST)
    ends = [at + timedelta(seconds=ttl) for at, ttl in recent.values_list("insync_at", "replaced_ttl") if at]
    return max(ends, default=timezone.now())


def _latest(moments: Iterable[datetime | None]) -> datetime | None:
    found = [timezone.now()]
    for moment in moments:
        if moment is None:
            return None
        found.append(moment)
    return max(found)


def _moment(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
