"""Who may apply which change of the configuration: kind × verb × role, every cell of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction

from accounts.models import User
from certificates.models import Authority
from configuration.exporting import config_export
from dnszones.models import NameServer
from dnszones.sites import sites_add
from tests.api.conftest import client_with, secret_for, user_with
from tests.api.matrix import ADMINISTRATORS, OPERATORS, ROLES, VIEWERS
from tests.dnszones.factories import RecordFactory, SecondaryFactory, ZoneFactory
from tests.factories import DomainFactory, NodeFactory, RegionFactory

pytestmark = pytest.mark.django_db

Document = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """A change of the exported document, and who may apply and plan it."""

    what: str
    do: Callable[[Document], Any]
    roles: frozenset[str]

    def __str__(self) -> str:
        return self.what


def adding(section: str, **item: Any) -> Callable[[Document], Any]:
    return lambda document: document[section].append(item)


def setting(section: str, **fields: Any) -> Callable[[Document], Any]:
    return lambda document: document[section][-1].update(fields)


def removing(section: str) -> Callable[[Document], Any]:
    return lambda document: document[section].pop()


CHANGES = [
    Change("nothing", lambda document: None, VIEWERS),
    Change("regions: one more", adding("regions", name="us"), ADMINISTRATORS),
    Change("regions: changed", setting("regions", title="Other"), ADMINISTRATORS),
    Change("regions: one less", removing("regions"), ADMINISTRATORS),
    Change("nodes: one more", adding("nodes", name="edge-9", region="eu", ipv4="127.0.0.9"), ADMINISTRATORS),
    Change("nodes: changed", setting("nodes", weight=7), OPERATORS),
    Change("nodes: one less", removing("nodes"), ADMINISTRATORS),
    Change(
        "authorities: one more",
        adding("authorities", name="new", directory_url="https://127.0.0.1:1/new"),
        ADMINISTRATORS,
    ),
    Change("authorities: changed", setting("authorities", position=90), ADMINISTRATORS),
    Change("authorities: one less", removing("authorities"), ADMINISTRATORS),
    Change("zones: one more", adding("zones", apex="new.example"), OPERATORS),
    Change("zones: changed", setting("zones", notes="Other"), OPERATORS),
    Change("zones: other records", setting("zones", records=[]), OPERATORS),
    Change("zones: other name servers", setting("zones", nameservers=[]), ADMINISTRATORS),
    Change("zones: one less", removing("zones"), OPERATORS),
    Change("domains: one more", adding("domains", host="new.example.com"), OPERATORS),
    Change("domains: changed", setting("domains", notes="Other"), OPERATORS),
    Change("domains: other origins", setting("domains", origins=[{"host": "127.0.0.9"}]), OPERATORS),
    Change("domains: other rules", setting("domains", rules=[{"name": "New", "bypass": True}]), OPERATORS),
    Change("domains: another key", setting("domains", certificate={"key_type": "rsa-3072"}), OPERATORS),
    Change("domains: steered", setting("domains", steering={"ttl": 30}), OPERATORS),
    Change("domains: one less", removing("domains"), OPERATORS),
    Change(
        "secondaries: one more",
        adding("secondaries", name="ns9", address="192.0.2.9", tsig_name="another-key"),
        ADMINISTRATORS,
    ),
    Change("secondaries: changed", setting("secondaries", notes="Other"), ADMINISTRATORS),
    Change("secondaries: one less", removing("secondaries"), ADMINISTRATORS),
]


@pytest.fixture
def installation(keyspace):
    """One of everything, and what may be removed."""
    RegionFactory(name="zz")
    NodeFactory(name="edge-1", region=RegionFactory(name="eu"))
    Authority.objects.create(name="house", directory_url="https://127.0.0.1:1/dir")
    ZoneFactory(apex="cdn.example", serves_sites=True)
    zone = ZoneFactory(apex="own.example")
    NameServer.objects.create(zone=zone, name="ns0.elsewhere.example")
    RecordFactory(zone=zone, name="www")
    DomainFactory(host="www.example.com", tls=True)
    sites_add()
    SecondaryFactory(name="ns1")


def send(client: Any, verb: str, document: Document) -> Any:
    """The answer; what was applied is undone."""
    with transaction.atomic():
        sent = {"document": document, "prune": True, "remove_share": 1}
        answer = client.post(f"/api/v1/config/{verb}", sent)
        transaction.set_rollback(True)
    return answer


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_change_is_applied_and_planned_by_those_who_may_make_it_and_by_nobody_else(change, installation):
    document = config_export()
    change.do(document)
    found = {}
    for role in ROLES:
        client = client_with(secret_for(user_with(role), ["config:write"]))
        for verb in ("plan", "apply"):
            found[role, verb] = send(client, verb, document).status_code
    expected = {(role, verb): 200 if role in change.roles else 403 for role, verb in found}
    assert found == expected


@pytest.mark.parametrize(
    "change, right",
    [
        ("domains: another key", "certificates.change_enrollment"),
        ("domains: steered", "dnszones.change_site"),
        ("domains: other origins", "domains.add_origin"),
        ("domains: other rules", "domains.add_cacherule"),
        ("zones: other records", "dnszones.delete_record"),
        ("zones: other name servers", "dnszones.delete_nameserver"),
    ],
)
def test_who_may_change_the_whole_alone_may_not_change_its_parts(change, right, installation):
    tom = User.objects.create(username="tom")
    held = ["change_domain", "change_zone", "change_origin", "delete_origin"]
    for rights in (
        Permission.objects.filter(codename__startswith="view_"),
        Permission.objects.filter(codename__in=held),
    ):
        tom.user_permissions.add(*rights)
    client = client_with(secret_for(tom, ["config:write"]))
    document = config_export()
    next(each for each in CHANGES if each.what == change).do(document)
    answer = send(client, "apply", document)
    assert answer.status_code == 403
    assert right in answer.json()["detail"]
    tom.user_permissions.add(*Permission.objects.filter(codename=right.partition(".")[2]))
    assert send(client, "apply", document).status_code == 200


def test_a_token_that_is_limited_to_domains_has_no_configuration(installation):
    secret = secret_for(user_with("superuser"), ["config:read", "config:write"], domains=["www.example.com"])
    client = client_with(secret)
    assert client.get("/api/v1/config").status_code == 403
    for verb in ("plan", "apply"):
        assert send(client, verb, {"version": 1}).status_code == 403
