"""A world in which every address of the API has something to meet."""

from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts.models import Token, User
from alarms.services import alarm_raise
from api.models import Operation
from certificates.models import Authority, Authorization, Backoff, Enrollment, Order, TicketKey
from dnszones.models import Challenge, Site, ZoneVersion
from dnszones.publishing import zones_rebuild
from dnszones.sites import sites_add
from domains.models import CacheCondition, Domain
from edge import keyspace
from edge.models import Kind, Outbox, Publication
from edge.purges.services import purge_request
from nodes.models import Node, NodeEvent, Region
from tests.api.conftest import secret_for, user_with
from tests.api.unchanging import redis_client
from tests.certificates.made import made_certificate, serve
from tests.dnszones.factories import RecordFactory, SecondaryFactory, ZoneFactory
from tests.factories import (
    CacheConditionFactory,
    CacheRuleFactory,
    DomainFactory,
    HostNameFactory,
    NodeFactory,
    RegionFactory,
)

#: Where nothing listens, so that an answer comes at once.
NOWHERE = {"status_address": "127.0.0.1", "status_port": 1}
RECORDS = [
    *(("www", "A", "192.0.2.80"), ("www", "AAAA", "2001:db8::80"), ("@", "MX", "10 mail.here.example.")),
    *(
        ("@", "TXT", '"v=spf1 -all"'),
        ("old", "CNAME", "www.here.example."),
        ("@", "CAA", '0 issue "letsencrypt.org"'),
    ),
]
CONDITIONS = [
    *(("prefix", "", "/img/"), ("extension", "", "jpg\npng"), ("method", "", "GET")),
    *(("header", "X-Kind", "a"), ("cookie", "id", "1")),
]


def build(caller: User) -> dict[str, list[Any]]:
    """Fill the tables and Redis; by the address of something what there is: `/domains/{host}`: its hosts."""
    _fleet()
    domain = _domains()
    rows = {
        **_parts(domain),
        **_zones(),
        **_certificates(domain),
        "/outbox/{id}": Outbox.objects.create(kind=Kind.DOMAIN, object_id=1, staged_at=timezone.now()),
        "/alarms/{id}": alarm_raise(kind="test", subject="x", sentence="It is a test."),
        "/operations/{id}": Operation.objects.create(kind="test", user=caller),
        "/tokens/{id}": _people(),
        "/jobs/{id}": PeriodicTask.objects.first(),
    }
    return {
        **{address: [row.pk] for address, row in rows.items()},
        "/domains/{host}": [domain.host],
        "/domains/{host}/aliases/{name}": ["example.com"],
        "/changes/{revision}": list(Publication.objects.values_list("rev", flat=True)),
        "/health/{name}": ["edge-1"],
        "/nodes/{name}": ["edge-1", "edge-2"],
        "/regions/{name}": ["eu-west", "us-east"],
        "/zones/{apex}": ["here.example"],
        "/zones/{apex}/versions/{serial}": list(
            ZoneVersion.objects.filter(zone__apex="here.example").values_list("serial", flat=True)
        ),
        "/secondaries/{name}": ["ns1"],
        "/sites/{host}": [domain.host],
        "/enrollments/{host}": [domain.host],
        "/authorities/{name}": ["letsencrypt"],
        "/ticket-keys/{label}": ["key-1"],
        "/users/{username}": ["olga", "paul"],
        "/roles/{name}": ["purgers", "operator"],
    }


def _fleet() -> None:
    regions = [RegionFactory(name=name) for name in ("eu-west", "eu-north", "us-east")]
    regions[0].backups.set(regions[1:])
    for number, state in ((1, Node.State.UP), (2, Node.State.UP), (3, Node.State.DRAINING)):
        node = NodeFactory(name=f"edge-{number}", region=regions[0], state=state, **NOWHERE)
        NodeEvent.objects.create(node=node, at=timezone.now(), new=state, by="olga")


def _domains() -> Domain:
    domain: Domain = DomainFactory(host="www.example.com", tls=True)
    DomainFactory(host="old.example.com", enabled=False)
    HostNameFactory(domain=domain, name="example.com")
    minute = int(timezone.now().timestamp() // 60)
    traffic = '{"requests": 3, "bytes": 10, "hit": 2, "2xx": 3, "paths": [["/a", 3]]}'
    redis_client(0).hset(keyspace.stats_key("edge-1", minute), domain.host, traffic)
    return domain


def _parts(domain: Domain) -> dict[str, Any]:
    rule = CacheRuleFactory(domain=domain, bypass=True)
    CacheRuleFactory(domain=domain, edge_ttl=60)
    for what, name, values in CONDITIONS:
        CacheConditionFactory(rule=rule, what=CacheCondition.What(what), name=name, values=values)
    for asked in ({"urls": ["/", "/a?x=1"]}, {"prefixes": ["/img/"], "tags": ["a"]}, {"everything": True}):
        [purge] = purge_request(domains=[domain], **asked)
    return {
        "/domains/{host}/origins/{id}": domain.origins.get(),
        "/domains/{host}/rules/{id}": rule,
        "/purges/{id}": purge,
        "/state-changes/{id}": NodeEvent.objects.first(),
    }


def _zones() -> dict[str, Any]:
    zone = ZoneFactory(apex="here.example", serves_sites=True)
    ZoneFactory(apex="example.com")
    for name, type_, value in RECORDS:
        record = RecordFactory(zone=zone, name=name, type=type_, value=value)
    secondary = SecondaryFactory(name="ns1")
    secondary.zones.set([zone])
    sites_add()
    Site.objects.get(domain__host="www.example.com").regions.set(Region.objects.filter(name="eu-west"))
    challenge = Challenge.objects.create(zone=zone, name="_acme-challenge", value="x" * 43)
    zones_rebuild()
    return {"/zones/{apex}/records/{id}": record, "/challenges/{id}": challenge}


def _certificates(domain: Domain) -> dict[str, Any]:
    house = Authority.objects.create(
        name="letsencrypt", directory_url="https://127.0.0.1:1/dir", contact="ops@example.com"
    )
    before, now = made_certificate(domain), made_certificate(domain)
    enrollment: Enrollment = serve(domain, now)
    enrollment.previous, enrollment.authority = before, house
    enrollment.save()
    order = Order.objects.create(
        enrollment=enrollment, authority=house, state="failed", names=[domain.host], ended_at=timezone.now()
    )
    Authorization.objects.create(order=order, name=domain.host, url="https://127.0.0.1:1/authz/1")
    TicketKey.objects.create(label="key-1", active_from=timezone.now(), key="sealed")
    backoff = Backoff.objects.create(name="x.example", authority=house, next_at=timezone.now())
    return {"/certificates/{id}": now, "/orders/{id}": order, "/backoffs/{id}": backoff}


def _people() -> Token:
    """Two persons, a role, and a token of somebody else's."""
    for name in ("olga", "paul"):
        User.objects.create(username=name)
    Group.objects.create(name="purgers")
    secret_for(user_with("operator"), ["domains:read"], domains=["www.example.com"])
    return Token.objects.latest("pk")
