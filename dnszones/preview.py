"""What a dry run tells of the DNS: names of domains that would be answered from here, or no longer."""

from typing import Any

from django.db.models import Max

from api.dry_run import Told
from dnszones.models import Site, Zone
from dnszones.names import closest_apex
from domains.documents import reason_not_served
from domains.models import Domain
from edge.models import Kind, Outbox, Publication


def names_preview() -> Told:
    """Call in the transaction of a change before it; what is returned, after it."""
    newest = Outbox.objects.aggregate(newest=Max("pk"))["newest"] or 0
    return lambda: {"names": names_changed(after=newest)}


def names_changed(*, after: int) -> list[dict[str, Any]]:
    """Names in published zones that the domains in the outbox after this row gain and lose, by name.

    A domain that is made has no access name yet: it is given one when its zone is built.
    """
    staged = Outbox.objects.filter(pk__gt=after, kind=Kind.DOMAIN)
    ids = set(staged.values_list("object_id", flat=True))
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
        for name in sorted(before ^ then)
        if (apex := closest_apex(name, apexes))
    ]


def _sites(domain_ids: set[int]) -> Any:
    return Site.objects.filter(domain_id__in=domain_ids).select_related("zone")
