"""What a dry run tells of the DNS: names that would be answered from here, no longer, or otherwise."""

from collections import defaultdict
from typing import Any

from django.db.models import Max

from api.dry_run import Compared, Told
from dnszones.models import Record, Site, StagedZone, Zone
from dnszones.names import closest_apex, full_name
from domains.documents import reason_not_served
from domains.models import Domain
from edge.models import Kind, Outbox, Publication
from edge.outbox import staged_here

#: Apex and name → what is there.
Held = dict[tuple[str, str], frozenset[Any]]


def names_preview() -> Told:
    """Call in the transaction of a change before it; what is returned, after it."""
    outbox = Outbox.objects.aggregate(newest=Max("pk"))["newest"] or 0
    staged = StagedZone.objects.aggregate(newest=Max("pk"))["newest"] or 0

    def told() -> Compared:
        names, apexes = names_changed(after=outbox), _zones_staged(after=staged)
        then = _held(apexes)

        def compared() -> dict[str, Any]:
            records = _compared(_held(apexes), then)
            return {"names": sorted([*names, *records], key=lambda item: (item["name"], item["zone"]))}

        return compared

    return told


def names_changed(*, after: int) -> list[dict[str, Any]]:
    """Names in published zones that the domains in the outbox after this row gain and lose, by name.

    A domain that is made has no access name yet: it is given one when its zone is built.
    """
    mine = staged_here()
    staged = Outbox.objects.filter(pk__gt=after, kind=Kind.DOMAIN)
    ids = {pk for row, pk in staged.values_list("pk", "object_id") if row in mine}
    apexes = set(Zone.objects.published().values_list("apex", flat=True)) if ids else set()
    if not apexes:
        return []
    labels = {site.domain_id: site.access_name for site in _sites(ids)}
    before: set[str] = set()
    for was in Publication.objects.filter(kind=Kind.DOMAIN, object_id__in=ids, live=True):
        before |= {was.key, *was.alias_revs, *filter(None, [labels.get(was.object_id)])}
    then: set[str] = set()
    for domain in Domain.objects.filter(pk__in=ids).prefetch_related("hostnames", "origins"):
        if not reason_not_served(domain):
            then |= {row.name for row in domain.hostnames.all()}
            then |= {*filter(None, [labels.get(domain.pk)])}
    return [
        {"name": name, "zone": apex, "change": "appears" if name in then else "disappears"}
        for name in before ^ then
        if (apex := closest_apex(name, apexes))
    ]


def _sites(domain_ids: set[int]) -> Any:
    return Site.objects.filter(domain_id__in=domain_ids).select_related("zone")


def _zones_staged(*, after: int) -> set[str]:
    """The apexes of zones that were staged after this row because they or their records have changed."""
    rows = list(StagedZone.objects.filter(pk__gt=after).values_list("zone_id", "apex"))
    ids = {zone_id for zone_id, _ in rows if zone_id}
    own = set(Zone.objects.filter(pk__in=ids).values_list("apex", flat=True))
    return own | {apex for _, apex in rows if apex}


def _held(apexes: set[str]) -> Held:
    """What the operator has put into these zones, as far as they are published."""
    found: dict[tuple[str, str], set[Any]] = defaultdict(set)
    for zone in Zone.objects.published().filter(apex__in=apexes):
        found[zone.apex, zone.apex].add("zone")
        rows = Record.objects.filter(zone=zone).values_list("name", "type", "ttl", "value")
        for name, *rest in rows.iterator():
            found[zone.apex, full_name(name, zone.apex)].add(tuple(rest))
    return {place: frozenset(records) for place, records in found.items()}


def _compared(before: Held, then: Held) -> list[dict[str, Any]]:
    changes = {
        place: "appears" if place not in before else "disappears" if place not in then else "changes"
        for place in {*before, *then}
        if before.get(place) != then.get(place)
    }
    return [{"name": name, "zone": apex, "change": change} for (apex, name), change in changes.items()]
