"""Purges in the API: accepted at once, watched edge by edge, and limited by the domain's allowance."""

import time

import pytest

from edge.models import Keyspace, Purge, PurgeTarget
from edge.purges.services import purge_request
from tests.api.conftest import with_settings
from tests.edge.keyspace_reader import acknowledge, documents
from tests.factories import CacheRuleFactory, DomainFactory, HostNameFactory, NodeFactory

pytestmark = pytest.mark.django_db(transaction=True)

AT = "/api/v1/purges"


@pytest.fixture
def domain(keyspace):
    return DomainFactory(host="www.example.com")


def errors(answer):
    return {error["field"]: error["reason"] for error in answer.json()["errors"]}


def test_a_purge_is_accepted_and_can_be_watched_until_every_edge_has_it(keyspace, boss, domain):
    NodeFactory(name="edge-1"), NodeFactory(name="edge-2")
    answer = boss.post(AT, {"urls": ["http://www.example.com/a?x=1", "//www.example.com/b"][:1]})
    assert answer.status_code == 202
    [purge] = answer.json()["purges"]
    assert answer["Location"] == f"{AT}/{purge['id']}" and answer["Retry-After"]
    assert purge["state"] == "sent" and purge["summary"] == "/a?x=1"
    assert [edge["answer"] for edge in purge["status"]["edges"]] == ["pending", "pending"]

    found = Purge.objects.get()
    etag = boss.get(answer["Location"])["ETag"]
    acknowledge(keyspace, "edge-1", epoch=found.epoch, rev=found.rev)
    half = boss.get(answer["Location"], HTTP_IF_NONE_MATCH=etag)
    assert [edge["answer"] for edge in half.json()["status"]["edges"]] == ["applied", "pending"]
    acknowledge(keyspace, "edge-2", epoch=found.epoch, rev=found.rev)
    done = boss.get(answer["Location"]).json()
    assert done["status"]["finished"] and done["status"]["tone"] == "ok"


def test_a_domain_is_purged_below_its_own_address(keyspace, boss, domain):
    other = DomainFactory()
    purge_request(domains=[other], everything=True)
    at = "/api/v1/domains/www.example.com/purges"
    answer = boss.post(at, {"urls": ["/a"], "tags": ["news"], "soft": True, "note": "why not"})
    assert answer.status_code == 202
    purge = answer.json()["purges"][0]
    assert (purge["domain"], purge["scope"], purge["soft"], purge["note"]) == (
        *("www.example.com", "mixed", True),
        "why not",
    )
    assert [row["id"] for row in boss.get(at).json()["results"]] == [purge["id"]]
    targets = boss.get(f"{AT}/{purge['id']}/targets").json()["results"]
    assert targets == [{"scope": "url", "name": "/a"}, {"scope": "tag", "name": "news"}]
    assert boss.post("/api/v1/domains/nowhere.example/purges", {"urls": ["/"]}).status_code == 404


def test_several_domains_are_purged_in_one_call_or_none_of_them(keyspace, boss, domain):
    other = DomainFactory(host="shop.example.com")
    answer = boss.post(AT, {"domains": ["www.example.com", "shop.example.com"], "everything": True})
    assert {purge["domain"] for purge in answer.json()["purges"]} == {domain.host, other.host}
    assert boss.get(answer["Location"]).json()["results"][0]["scope"] == "all"
    refused = boss.post(AT, {"domains": ["www.example.com", "no.example"], "everything": True})
    assert errors(refused) == {"/domains/1": "There is no domain “no.example”."}
    assert Purge.objects.count() == 2


def test_each_url_that_cannot_be_meant_is_named_by_its_place(keyspace, boss, domain):
    answer = boss.post(AT, {"urls": ["http://www.example.com/a", "/b", "http://no.example/c", "http:///"]})
    assert answer.status_code == 400
    assert set(errors(answer)) == {"/urls/1", "/urls/2", "/urls/3"}
    assert set(errors(boss.post(AT, {"tags": ["a"]}))) == {"/domains"}
    assert set(errors(boss.post(AT, {}))) == {"/urls"}
    assert set(errors(boss.post(AT, {"everything": "x", "colour": 1}))) >= {"/colour"}


def test_a_thousand_urls_are_accepted_in_one_call(keyspace, boss, domain):
    urls = [f"http://www.example.com/page/{n}" for n in range(1000)]
    began = time.monotonic()
    answer = boss.post(AT, {"urls": urls})
    assert answer.status_code == 202
    assert time.monotonic() - began < 5  # the figure itself is measured by `just bench api`
    assert PurgeTarget.objects.count() == 1000
    assert len(documents(keyspace, "purge")["www.example.com"]["urls"]) == 1000


def test_a_domain_that_is_purged_too_often_is_told_when_there_is_room(keyspace, boss, domain):
    with with_settings(purge_burst=10, purge_per_second=1):
        ask = lambda count: boss.post(AT, {"urls": [f"http://www.example.com/{n}" for n in range(count)]})  # noqa: E731
        assert ask(8).status_code == 202
        limited = ask(8)
        assert limited.status_code == 429
        assert limited["Content-Type"] == "application/problem+json"
        assert 5 <= int(limited["Retry-After"]) <= 7
        never = ask(11)
        assert never.status_code == 400 and "Retry-After" not in never
    assert Purge.objects.count() == 1


def test_a_bulk_tells_of_each_purge(keyspace, boss, domain):
    items = [
        {"domains": ["www.example.com"], "urls": ["/a"]},
        {"domains": ["no.example"], "urls": ["/a"]},
        {"urls": ["http://www.example.com/b"]},
    ]
    answer = boss.post(f"{AT}/bulk", {"items": items})
    assert [result["status"] for result in answer.json()["results"]] == [202, 400, 202]
    assert answer.json()["failed"] == 1
    assert answer.json()["results"][1]["problem"]["errors"][0]["field"] == "/domains/0"
    assert Purge.objects.count() == 2
    refused = boss.post(f"{AT}/bulk", {"items": items, "atomic": True})
    assert set(errors(refused)) == {"/items/1/domains/0"}
    assert Purge.objects.count() == 2


def test_a_dry_run_purges_nothing_and_takes_no_room(keyspace, boss, domain):
    before = Keyspace.objects.values_list("revision", flat=True).first()
    with with_settings(purge_burst=10, purge_per_second=1):
        what = {"urls": [f"http://www.example.com/{n}" for n in range(8)]}
        for _ in range(3):
            answer = boss.post(f"{AT}?dry_run=true", what)
            assert answer.status_code == 200 and answer.json()["dry_run"]
            assert answer.json()["result"]["purges"][0]["targets"] == 8
    assert not Purge.objects.exists()
    assert Keyspace.objects.values_list("revision", flat=True).first() == before


def test_the_same_idempotency_key_purges_once(keyspace, boss, domain):
    what = {"urls": ["http://www.example.com/a"]}
    first, again = (boss.post(AT, what, HTTP_IDEMPOTENCY_KEY="k-1") for _ in range(2))
    assert first.status_code == again.status_code == 202
    assert again["Location"] == first["Location"]
    assert Purge.objects.count() == 1
    assert set(documents(keyspace, "purge")) == {"www.example.com"}


def test_a_purge_that_is_wider_than_asked_says_so(keyspace, boss, domain):
    CacheRuleFactory(domain=domain, query_mode="none")
    answer = boss.post(AT, {"urls": ["http://www.example.com/a?x=1"]})
    assert "all queries" in answer.json()["purges"][0]["widened"]


def test_a_token_that_is_limited_to_a_domain_purges_that_one_only(keyspace, as_role, domain):
    other = DomainFactory(host="other.example")
    HostNameFactory(domain=other, name="alias.example")
    purge_request(domains=[other], everything=True)
    client = as_role("operator", ["purges:read", "purges:write"], domains=["www.example.com"])
    assert client.get(AT).json()["results"] == []
    assert client.get(f"{AT}/{Purge.objects.get().pk}").status_code == 404
    assert client.get("/api/v1/domains/other.example/purges").status_code == 404
    assert client.post("/api/v1/domains/other.example/purges", {"everything": True}).status_code == 404
    assert client.post(AT, {"domains": ["other.example"], "everything": True}).status_code == 403
    assert client.post(AT, {"urls": ["http://alias.example/a"]}).status_code == 403
    both = {"domains": ["www.example.com", "other.example"], "everything": True}
    assert client.post(AT, both).status_code == 403
    bulk = client.post(f"{AT}/bulk", {"items": [{"urls": ["http://alias.example/a"]}]})
    assert bulk.json()["results"][0]["status"] == 403
    assert Purge.objects.count() == 1
    assert client.post(AT, {"urls": ["http://www.example.com/a"]}).status_code == 202


def test_who_may_only_read_purges_asks_for_none(keyspace, as_role, domain):
    what = {"urls": ["http://www.example.com/a"]}
    assert as_role("viewer").post(AT, what).status_code == 403
    assert as_role("operator", ["purges:read", "domains:write"]).post(AT, what).status_code == 403
    assert as_role("viewer").get(AT).status_code == 200
    assert not Purge.objects.exists()


def test_numbers_that_are_none_find_no_purge(keyspace, boss, domain):
    [purge] = purge_request(domains=[domain], everything=True)
    found = lambda ids: [row["id"] for row in boss.get(f"{AT}?id__in={ids}").json()["results"]]  # noqa: E731
    assert found(f"{purge.pk},AAA,{10**30}") == [purge.pk]
    assert found("AAA") == []
