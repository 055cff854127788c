"""A dry run tells which documents and names would change, and changes nothing."""

import pytest
from django.db import transaction
from django.utils import timezone

from domains.models import CacheCondition, CacheRule, Domain, HostName, Origin
from edge.api.preview import documents_preview
from edge.models import Keyspace, Outbox, Publication
from tests.dnszones.factories import ZoneFactory
from tests.edge.keyspace_reader import documents
from tests.factories import DomainFactory, HostNameFactory

pytestmark = pytest.mark.django_db(transaction=True)

AT = "/api/v1/domains"


@pytest.fixture
def domain(keyspace):
    ZoneFactory(apex="example.com")
    domain = DomainFactory(host="www.example.com")
    HostNameFactory(domain=domain, name="alias.example.com")
    return domain


def everything():
    models = (Domain, HostName, Origin, CacheRule, CacheCondition, Outbox, Publication, Keyspace)
    return [list(model.objects.order_by("pk").values()) for model in models]


def changes(answer):
    told = answer.json()["changes"]
    return (
        [(item["kind"], item["key"], item["change"]) for item in told["documents"]],
        [(item["name"], item["change"]) for item in told["names"]],
    )


WWW = "/www.example.com"
ALIASES = {"aliases": ["other.example.com", "elsewhere.example.net"]}
ORIGIN = {"host": "127.0.0.1", "port": 9000}
ADDED, REPLACED, WITHDRAWN = (
    [("domain", "new.example.com", "added")],
    [("domain", "www.example.com", "replaced")],
    [("domain", "www.example.com", "withdrawn")],
)
GONE, APPEARS = ("alias.example.com", "disappears"), "appears"
BOTH_GONE = [GONE, ("www.example.com", "disappears")]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "told"),
    [
        ("put", "/new.example.com", {"origins": [ORIGIN]}, 201, (ADDED, [("new.example.com", APPEARS)])),
        ("patch", WWW, {"default_ttl": 7}, 200, (REPLACED, [])),
        ("patch", WWW, ALIASES, 200, (REPLACED, [GONE, ("other.example.com", APPEARS)])),
        ("delete", WWW, None, 204, (WITHDRAWN, BOTH_GONE)),
        ("post", f"{WWW}/disable", None, 200, (WITHDRAWN, BOTH_GONE)),
        ("post", f"{WWW}/origins", ORIGIN, 201, (REPLACED, [])),
    ],
)
def test_it_tells_the_documents_and_the_names(boss, domain, keyspace, method, path, body, status, told):
    before, published = everything(), documents(keyspace, "domain")
    answer = getattr(boss, method)(f"{AT}{path}?dry_run=true", body)
    assert answer.status_code == 200, answer.json()
    assert answer.json()["dry_run"] is True and answer.json()["status"] == status
    assert changes(answer) == told
    assert everything() == before and documents(keyspace, "domain") == published


def test_the_documents_are_shown_as_edges_would_see_them(boss, domain):
    answer = boss.patch(f"{AT}/www.example.com?dry_run=true", {"default_ttl": 7})
    assert answer.json()["changes"]["documents"][0]["document"]["cache"]["default_ttl"] == 7
    assert answer.json()["result"]["default_ttl"] == 7


def test_a_put_of_what_is_there_would_change_nothing(boss, domain):
    there = boss.get(f"{AT}/www.example.com").json()
    assert changes(boss.put(f"{AT}/www.example.com?dry_run=true", there)) == ([], [])


def test_a_bulk_tells_of_all_its_domains_together(boss, domain):
    items = [
        {"domain": {"host": "a.example.com", "origins": [{"host": "127.0.0.1"}]}},
        {"action": "delete", "host": "www.example.com"},
        {"action": "delete", "host": "nowhere.example.com"},
    ]
    before = everything()
    answer = boss.post(f"{AT}/bulk?dry_run=true", {"items": items})
    assert [item["status"] for item in answer.json()["result"]["results"]] == [201, 204, 404]
    found, names = changes(answer)
    assert found == [("domain", "a.example.com", "added"), ("domain", "www.example.com", "withdrawn")]
    assert [name for name, _ in names] == ["a.example.com", "alias.example.com", "www.example.com"]
    assert everything() == before


def test_what_is_not_valid_is_refused_in_a_dry_run_as_well(boss, domain):
    assert boss.patch(f"{AT}/www.example.com?dry_run=true", {"default_ttl": -1}).status_code == 400
    assert boss.patch(f"{AT}/www.example.com?dry_run=perhaps", {"default_ttl": 1}).status_code == 400


def test_it_tells_nothing_of_what_others_commit_meanwhile(domain, keyspace):
    others = DomainFactory(host="secret.example.net")
    with transaction.atomic():
        told = documents_preview()
        Outbox.objects.create(kind="domain", object_id=others.pk, force=True, staged_at=timezone.now())
        domain.default_ttl = 9
        domain.save()
        assert [item["key"] for item in told()()["documents"]] == ["www.example.com"]
        transaction.set_rollback(True)
