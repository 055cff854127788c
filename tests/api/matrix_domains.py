"""The lines of domains, purges, changes, what waits, and health; see `tests/api/matrix.py`."""

from typing import Any

from django.utils import timezone

from accounts.models import User
from edge.models import Keyspace, Kind, Outbox, Publication
from edge.purges.services import purge_request
from tests.api.matrix import OPERATORS, VIEWERS, Row
from tests.factories import CacheRuleFactory, DomainFactory, HostNameFactory

AT = "/api/v1/domains"
WWW = f"{AT}/www.example.com"
NEW = {"host": "new.example.com"}
ORIGIN = {"host": "127.0.0.1", "scheme": "http"}
RULE = {"name": "New", "bypass": True}
URLS = {"urls": ["http://www.example.com/a"]}

READ, WRITE, PURGE = "domains:read", "domains:write", "purges:write"

ROWS: list[Row] = [
    Row("GET", AT, READ, VIEWERS),
    Row("POST", AT, WRITE, OPERATORS, NEW, 201),
    Row("POST", f"{AT}/bulk", WRITE, OPERATORS, {"items": [{"domain": NEW}]}),
    Row("GET", WWW, READ, VIEWERS),
    Row("PUT", WWW, WRITE, OPERATORS, {"notes": "x"}),
    Row("PUT", f"{AT}/new.example.com", WRITE, OPERATORS, NEW, 201),
    Row("PATCH", WWW, WRITE, OPERATORS, {"notes": "x"}),
    Row("DELETE", WWW, WRITE, OPERATORS, code=204),
    Row("POST", f"{WWW}/enable", WRITE, OPERATORS),
    Row("POST", f"{WWW}/disable", WRITE, OPERATORS),
    Row("GET", f"{WWW}/status", READ, VIEWERS),
    Row("GET", f"{WWW}/traffic", "stats:read", VIEWERS),
    Row("GET", f"{WWW}/why", READ, VIEWERS, code=400),  # of no URL
    Row("POST", f"{WWW}/publish-again", WRITE, OPERATORS, code=202),
    Row("GET", f"{WWW}/origins", READ, VIEWERS),
    Row("POST", f"{WWW}/origins", WRITE, OPERATORS, ORIGIN, 201),
    Row("GET", WWW + "/origins/{origin}", READ, VIEWERS),
    Row("PUT", WWW + "/origins/{origin}", WRITE, OPERATORS, ORIGIN),
    Row("PATCH", WWW + "/origins/{origin}", WRITE, OPERATORS, {"weight": 5}),
    Row("DELETE", WWW + "/origins/{origin}", WRITE, OPERATORS, code=204),
    Row("GET", f"{WWW}/aliases", READ, VIEWERS),
    Row("POST", f"{WWW}/aliases", WRITE, OPERATORS, {"name": "b.example"}, 201),
    Row("GET", f"{WWW}/aliases/alias.example", READ, VIEWERS),
    Row("PUT", f"{WWW}/aliases/alias.example", WRITE, OPERATORS, {}),
    Row("PATCH", f"{WWW}/aliases/alias.example", WRITE, OPERATORS, {"name": "b.example"}),
    Row("DELETE", f"{WWW}/aliases/alias.example", WRITE, OPERATORS, code=204),
    Row("GET", f"{WWW}/rules", READ, VIEWERS),
    Row("POST", f"{WWW}/rules", WRITE, OPERATORS, RULE, 201),
    Row("GET", WWW + "/rules/{rule}", READ, VIEWERS),
    Row("PUT", WWW + "/rules/{rule}", WRITE, OPERATORS, RULE),
    Row("PATCH", WWW + "/rules/{rule}", WRITE, OPERATORS, {"name": "Other"}),
    Row("DELETE", WWW + "/rules/{rule}", WRITE, OPERATORS, code=204),
    Row("POST", WWW + "/rules/{rule}/move", WRITE, OPERATORS, code=200, filled={"after": "other_rule"}),
    Row("POST", WWW + "/rules/{rule}/duplicate", WRITE, OPERATORS, code=201),
    Row("POST", WWW + "/rules/{rule}/enable", WRITE, OPERATORS),
    Row("POST", WWW + "/rules/{rule}/disable", WRITE, OPERATORS),
    Row("GET", f"{WWW}/purges", "purges:read", VIEWERS),
    Row("POST", f"{WWW}/purges", PURGE, OPERATORS, {"urls": ["/a"]}, 202),
    Row("GET", "/api/v1/purges", "purges:read", VIEWERS),
    Row("POST", "/api/v1/purges", PURGE, OPERATORS, URLS, 202),
    Row("POST", "/api/v1/purges/bulk", PURGE, OPERATORS, {"items": [URLS]}),
    Row("GET", "/api/v1/purges/{purge}", "purges:read", VIEWERS),
    Row("GET", "/api/v1/purges/{purge}/targets", "purges:read", VIEWERS),
    Row("GET", "/api/v1/changes", "changes:read", VIEWERS),
    Row("GET", "/api/v1/changes/{revision}", "changes:read", VIEWERS),
    Row("POST", "/api/v1/changes/{revision}/publish-again", "changes:write", OPERATORS, code=202),
    Row("GET", "/api/v1/outbox", "changes:read", VIEWERS),
    Row("GET", "/api/v1/outbox/{waiting}", "changes:read", VIEWERS),
    Row("POST", "/api/v1/outbox/{waiting}/retry", "changes:write", OPERATORS),  # it goes on waiting
    Row("GET", "/api/v1/health", "health:read", VIEWERS),
    Row("GET", "/api/v1/health/edge-1", "health:read", VIEWERS),
    Row("GET", "/api/v1/nodes/edge-1/status", "nodes:read", VIEWERS),
    Row("POST", "/api/v1/nodes/edge-1/publish-again", "nodes:write", OPERATORS, code=202),
]


def world(caller: User) -> dict[str, Any]:
    """What the lines speak of; nothing is published, since all of it is one transaction."""
    domain = DomainFactory(host="www.example.com")
    HostNameFactory(domain=domain, name="alias.example")
    rule, other = (CacheRuleFactory(domain=domain, bypass=True) for _ in range(2))
    [purge] = purge_request(domains=[domain], urls=["/"])
    return {
        "origin": domain.origins.get().pk,
        "rule": rule.pk,
        "other_rule": other.pk,
        "purge": purge.pk,
        "revision": _published(domain.pk),
        "waiting": Outbox.objects.filter(kind=Kind.DOMAIN).order_by("pk")[0].pk,
    }


def _published(pk: int) -> int:
    now = timezone.now()
    Keyspace.objects.update_or_create(pk=1, defaults={"epoch": 1, "revision": 1})
    return Publication.objects.create(
        kind=Kind.DOMAIN, key="www.example.com", object_id=pk, epoch=1, rev=1, saved_at=now, published_at=now
    ).rev
