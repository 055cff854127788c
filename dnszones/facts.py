"""What SQL says of zones, sites and nodes: read whole, in a fixed number of queries.

100,000 domains are 100,000 tuples here, never model objects.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from django.db.models import Model, QuerySet

from dnszones.builder import NameServerFacts, RecordFacts, ZoneFacts
from dnszones.eligibility import NodeFacts, RegionFacts
from dnszones.models import Challenge, NameServer, Record, Site, Zone
from dnszones.readiness import Published
from domains.models import Domain, HostName
from edge.models import Kind, Outbox, Publication
from edge.revisions import current_keyspace
from nodes.models import Node, Region

Row = TypeVar("Row", bound=Model)

NONE: frozenset[str] = frozenset()


class Placement(NamedTuple):
    """One domain that may be answered: its names, and what its operator says about its nodes.

    `access_name` is "" where its zone is not published. `since_rev`: the revision with which its
    document went live. `alias_revs`: of the aliases that came later. `answered`: DNS has given its names to
    clients before. `certificate`: the document of its certificate, where it serves HTTPS and there is one.
    """

    domain_id: int
    label: str
    access_name: str
    ttl: int | None
    replicas: int | None
    hosts: tuple[str, ...]
    since_rev: int
    epoch: int
    document: str
    alias_revs: dict[str, int]
    answered: bool = False
    pinned: frozenset[str] = NONE
    excluded: frozenset[str] = NONE
    regions: tuple[str, ...] = ()
    certificate: Published | None = None

    @property
    def site(self) -> Published:
        """The document of the domain itself."""
        return Published(f"domain:{self.document}", self.epoch, self.since_rev)

    @property
    def complete_rev(self) -> int:
        """The revision from which on an edge has everything that clients need of it."""
        return max(self.since_rev, self.certificate.since_rev if self.certificate else 0)


@dataclass
class Facts:
    """Everything that zones are made of. `zones`: primary key → facts of each published zone."""

    zones: dict[int, ZoneFacts]
    placements: list[Placement] = field(default_factory=list)
    nodes: list[NodeFacts] = field(default_factory=list)
    regions: list[RegionFacts] = field(default_factory=list)
    epoch: int = 0
    unpublished: bool = False


def read_facts(*, domain_id: int | None = None) -> Facts:
    """Read all of it; with `domain_id` the placement of this domain alone.

    Documents that are still on their way to the edges make `unpublished` true.
    """
    zones = read_zones()
    return Facts(
        zones=zones,
        placements=_placements({pk: zone.apex for pk, zone in zones.items()}, domain_id) if zones else [],
        nodes=[
            NodeFacts(name, region, ipv4 or "", ipv6 or "", weight, state)
            for name, region, ipv4, ipv6, weight, state in Node.objects.filter(is_edge=True)
            .order_by("name")
            .values_list("name", "region__name", "ipv4", "ipv6", "weight", "state")
        ],
        regions=[RegionFacts(*region) for region in Region.objects.all().backup_names().items()],
        epoch=current_keyspace().epoch,
        unpublished=Outbox.objects.filter(kind=Kind.DOMAIN, error="").exists(),
    )


def read_zones() -> dict[int, ZoneFacts]:
    """The published zones with their parts, by primary key."""
    servers = _by_zone(NameServer, "name", "ipv4", "ipv6")
    records = _by_zone(Record, "name", "type", "ttl", "value")
    challenges = _by_zone(Challenge, "name", "value")
    fields = ["apex", "default_ttl", "mname", "rname", "refresh", "retry", "expire", "minimum"]
    return {
        row["pk"]: ZoneFacts(
            **{name: row[name] for name in fields},
            nameservers=tuple(
                NameServerFacts(name, v4 or "", v6 or "") for name, v4, v6 in servers[row["pk"]]
            ),
            records=tuple(RecordFacts(*record) for record in records[row["pk"]]),
            challenges=tuple(challenges[row["pk"]]),
        )
        for row in Zone.objects.published().values("pk", *fields)
    }


def _by_zone(model: type[Model], *fields: str) -> dict[int, list[tuple]]:  # type: ignore[type-arg]
    found: dict[int, list[tuple]] = defaultdict(list)  # type: ignore[type-arg]
    for zone_id, *values in model._default_manager.order_by("pk").values_list("zone_id", *fields):
        found[zone_id].append(tuple(values))
    return found


def _placements(apexes: dict[int, str], only: int | None) -> list[Placement]:
    """The domains whose document is on the edges (or on its way there), and stays there."""
    documents = _documents(only)
    certificates = _certificates(only)
    hosts = _hosts(only)
    pinned, excluded, regions = (
        _links(field_name, name, only)
        for field_name, name in (
            ("pinned", "node__name"),
            ("excluded", "node__name"),
            ("regions", "region__name"),
        )
    )
    sites = _of_domain(Site.objects.filter(domain__enabled=True).order_by("pk"), "domain", only)
    rows = sites.values_list("pk", "domain_id", "zone_id", "label", "ttl", "replicas")
    found = []
    for pk, domain_id, zone_id, label, ttl, replicas in rows:
        if domain_id not in documents:
            continue
        document, epoch, since_rev, answered, alias_revs = documents[domain_id]
        found.append(
            Placement(
                domain_id=domain_id,
                label=label,
                access_name=f"{label}.{apexes[zone_id]}" if zone_id in apexes else "",
                ttl=ttl,
                replicas=replicas,
                hosts=tuple(hosts.get(domain_id, ())),
                since_rev=since_rev,
                epoch=epoch,
                document=document,
                alias_revs=alias_revs,
                answered=answered,
                pinned=frozenset(pinned[pk]) if pk in pinned else NONE,
                excluded=frozenset(excluded[pk]) if pk in excluded else NONE,
                regions=tuple(sorted(regions[pk])) if pk in regions else (),
                certificate=certificates.get(domain_id),
            )
        )
    return found


def _of_domain(rows: QuerySet[Row], field_name: str, domain_id: int | None) -> QuerySet[Row]:
    """The rows whose field is this domain; all of them for None."""
    return rows if domain_id is None else rows.filter(**{field_name: domain_id})


def _documents(domain_id: int | None) -> dict[int, tuple[str, int, int, bool, dict[str, int]]]:
    """Domain → (key, epoch, revision since which it is live, answered, aliases' revisions)."""
    live = _of_domain(Publication.objects.filter(kind=Kind.DOMAIN, live=True), "object_id", domain_id)
    held = {row.pk for row in live.filter(held_since__isnull=False) if row.held}
    aliases = dict(live.exclude(alias_revs={}).values_list("pk", "alias_revs"))
    rows = live.order_by("rev").values_list("pk", "object_id", "key", "epoch", "since_rev", "answered")
    return {
        object_id: (key, epoch, since, answered, aliases.get(pk, {}))
        for pk, object_id, key, epoch, since, answered in rows
        if pk not in held
    }


def _certificates(domain_id: int | None) -> dict[int, Published]:
    """Domain → the live document of its certificate, of those that serve HTTPS."""
    live = _of_domain(Publication.objects.filter(kind=Kind.CERTIFICATE, live=True), "object_id", domain_id)
    secured = live.filter(object_id__in=Domain.objects.filter(tls=True).values("pk"))
    rows = secured.order_by("rev").values_list("object_id", "key", "epoch", "since_rev")
    return {pk: Published(f"certificate:{key}", epoch, since) for pk, key, epoch, since in rows}


def _hosts(domain_id: int | None) -> dict[int, list[str]]:
    hosts: dict[int, list[str]] = defaultdict(list)
    rows = _of_domain(HostName.objects.order_by("pk"), "domain", domain_id)
    for owner_id, name in rows.values_list("domain_id", "name"):
        hosts[owner_id].append(name)
    return hosts


def _links(field_name: str, name: str, domain_id: int | None) -> dict[int, list[str]]:
    """Site → the names of the nodes or regions in one of its many-to-many fields."""
    through = getattr(Site, field_name).through
    links: dict[int, list[str]] = defaultdict(list)
    rows = _of_domain(through.objects.all(), "site__domain", domain_id)
    for site_id, linked in rows.values_list("site_id", name):
        links[site_id].append(linked)
    return links
