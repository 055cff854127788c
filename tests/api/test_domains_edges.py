"""What the edges make of domains, in the API: played by the test, and asked from one that runs."""

import json
import time

import pytest

from edge import keyspace as names
from edge.models import Keyspace, Publication
from tests.edge.keyspace_reader import acknowledge
from tests.factories import DomainFactory, NodeFactory

pytestmark = pytest.mark.django_db(transaction=True)

AT = "/api/v1/domains/www.example.com"


@pytest.fixture
def domain(keyspace):
    NodeFactory(name="edge-1"), NodeFactory(name="edge-2")
    return DomainFactory(host="www.example.com")


def test_the_status_says_which_edges_have_the_newest_revision(keyspace, boss, domain):
    publication = Publication.objects.get(kind="domain")
    acknowledge(keyspace, "edge-1", epoch=publication.epoch, rev=publication.rev)
    said = boss.get(f"{AT}/status").json()
    assert (said["revision"], said["applied_by"], said["serving"]) == (publication.rev, 1, 2)
    assert [(edge["node"], edge["answer"]) for edge in said["edges"]] == [
        ("edge-1", "applied"),
        ("edge-2", "pending"),
    ]
    change = boss.get(f"/api/v1/changes/{publication.rev}").json()
    assert change["edges"] == said["edges"]
    assert change["publication"]["key"] == "www.example.com"


def test_a_change_that_was_overtaken_counts_as_applied_where_a_newer_one_is(keyspace, boss, domain):
    old = Publication.objects.get(kind="domain")
    boss.patch(AT, {"default_ttl": 5})
    acknowledge(keyspace, "edge-1", epoch=old.epoch, rev=old.rev + 1)
    change = boss.get(f"/api/v1/changes/{old.rev}").json()
    assert change["publication"] is None
    assert {edge["node"]: edge["answer"] for edge in change["edges"]}["edge-1"] == "applied"
    assert boss.get(f"/api/v1/changes/{Keyspace.objects.get().revision + 1}").status_code == 404


def test_a_domain_and_a_node_are_published_again(keyspace, boss, domain):
    for at, kind in ((AT, "domain"), ("/api/v1/nodes/edge-1", "node")):
        key = at.rpartition("/")[2]
        before = Publication.objects.get(kind=kind, key=key).rev
        answer = boss.post(f"{at}/publish-again")
        assert answer.status_code == 202
        assert answer.json()["revision"] == Publication.objects.get(kind=kind, key=key).rev > before
        assert boss.get(f"{at}/status").json()["revision"] == answer.json()["revision"]
    rev = Publication.objects.get(kind="domain").rev
    change = f"/api/v1/changes/{rev}"
    assert boss.post(f"{change}/publish-again", HTTP_IF_MATCH='"other"').status_code == 412
    again = boss.post(f"{change}/publish-again", HTTP_IF_MATCH=boss.get(change)["ETag"])
    assert again.json()["revision"] > rev


def test_what_waits_in_the_outbox_is_listed_and_tried_again(keyspace, boss, domain):
    keyspace.stop()
    boss.patch(AT, {"default_ttl": 5})
    [waiting] = boss.get("/api/v1/outbox?kind=domain").json()["results"]
    assert boss.post(f"/api/v1/outbox/{waiting['id']}/retry").status_code == 200
    assert boss.get(f"{AT}/status").json()["tone"] == "pending"
    keyspace.start()
    keyspace.client.flushall()


def test_the_traffic_is_what_the_edges_have_counted(keyspace, boss, domain):
    minute = int(time.time() // 60)
    counted = {"requests": 10, "bytes": 500, "hit": 8, "miss": 2, "2xx": 10, "paths": [["/a", 7]]}
    keyspace.client.hset(names.stats_key("edge-1", minute), "www.example.com", json.dumps(counted))
    said = boss.get(f"{AT}/traffic?minutes=5").json()
    assert (said["requests"], said["hit_ratio"], said["statuses"]["2xx"]) == (10, 0.8, 10)
    assert said["top_paths"] == [{"path": "/a", "requests": 7}]
    assert sum(said["by_minute"]) == 10 and len(said["by_minute"]) == said["minutes"] == 5
    assert boss.get(f"{AT}/traffic?minutes=0").status_code == 400
    assert boss.get(f"{AT}/traffic?hours=1").status_code == 400


def test_with_redis_down_the_traffic_is_unavailable_and_the_status_says_why(keyspace, boss, domain):
    keyspace.stop()
    answer = boss.get(f"{AT}/traffic")
    assert answer.status_code == 503 and answer["Retry-After"]
    assert boss.get(f"{AT}/status").status_code == 200


def test_traffic_needs_the_scope_of_statistics(keyspace, as_role, domain):
    assert as_role("viewer", ["domains:read"]).get(f"{AT}/traffic").status_code == 403
    assert as_role("viewer", ["stats:read"]).get(f"{AT}/traffic").status_code == 200


def test_the_health_of_each_node_is_told_with_what_its_edge_says(keyspace, boss, domain):
    publication = Publication.objects.order_by("rev").last()
    acknowledge(keyspace, "edge-1", epoch=publication.epoch, rev=publication.rev)
    one, two = boss.get("/api/v1/health").json()["results"]
    assert (one["name"], one["edge"]["heard"], one["edge"]["behind"]) == ("edge-1", True, 0)
    assert two["edge"]["heard"] is False
    assert one["health"]["verdict"] == "unknown"
    assert boss.get("/api/v1/health/edge-1").json()["name"] == "edge-1"
    assert boss.get("/api/v1/health/edge-9").status_code == 404


def test_a_limited_token_sees_the_changes_of_its_domains_only(keyspace, as_role, domain):
    DomainFactory(host="other.example")
    client = as_role("operator", domains=["www.example.com"])
    assert [row["key"] for row in client.get("/api/v1/changes").json()["results"]] == ["www.example.com"]
    foreign = Publication.objects.get(key="other.example").rev
    assert client.get(f"/api/v1/changes/{foreign}").status_code == 404
    assert client.post(f"/api/v1/changes/{foreign}/publish-again").status_code == 404
    assert client.get("/api/v1/outbox").status_code == 403
    assert client.get("/api/v1/health").status_code == 403
    assert client.get(f"{AT}/status").status_code == 200
    assert client.get("/api/v1/domains/other.example/status").status_code == 404
    assert client.get("/api/v1/domains/other.example/traffic").status_code == 404


def test_why_without_an_edge_says_why_not(keyspace, boss, domain):
    answer = boss.get(f"{AT}/why", {"url": "/a"})
    assert answer.status_code == 503
    wrong = boss.get(f"{AT}/why", {"url": "/a", "country": "Nowhere", "headers": "no header"})
    assert {error["field"] for error in wrong.json()["errors"]} == {"?country", "?headers"}
    for url in ("soft", "http://[", "ftp://www.example.com/"):
        answer = boss.get(f"{AT}/why", {"url": url})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "?url")
