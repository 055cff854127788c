"""Each domain is a site in the DNS as soon as there is a zone that gives access names."""

from dnszones.models import Site, Zone
from domains.models import Domain
from domains.models.domain import generate_access_name

#: Rows made in one statement.
CHUNK = 1_000


def sites_add() -> int:
    """Make the sites that are missing; their number.

    The label is the domain's access name. A deleted domain leaves its site behind, so that its label is
    never given to another one: clients may point there still.
    """
    zone = Zone.objects.filter(serves_sites=True).first()
    if not zone:
        return 0
    missing = Domain.objects.filter(site=None).order_by("pk").values_list("pk", "access_name")
    taken = {*Site.objects.filter(domain=None).values_list("label", flat=True)}
    sites = [
        Site(domain_id=pk, zone=zone, label=generate_access_name() if label in taken else label)
        for pk, label in missing
    ]
    Site.objects.bulk_create(sites, batch_size=CHUNK, ignore_conflicts=True)
    return len(sites)
