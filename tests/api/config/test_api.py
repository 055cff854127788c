"""The configuration by the API."""

import json

import pytest
from django.db import connection

from configuration.exporting import config_export
from dnszones.models import Zone
from nodes.models import Region
from tests.api.config.world import everything, published
from tests.dnszones.factories import RecordFactory, ZoneFactory
from tests.factories import (
    DomainFactory,
    NodeFactory,
    OriginFactory,
    RegionFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_api_exports_plans_and_applies(installation, boss):
    document = boss.get("/api/v1/config").json()
    assert document == json.loads(json.dumps(config_export()))
    document["regions"][0]["title"] = "East"
    plan = boss.post("/api/v1/config/plan", {"document": document})
    assert plan.status_code == 200 and plan.json()["changed"] == 1
    assert plan.json()["items"][0]["fields"] == [{"path": "title", "before": None, "after": "East"}]
    dry = boss.post("/api/v1/config/apply?dry_run=true", {"document": document})
    assert dry.status_code == 200
    assert (dry.json()["dry_run"], dry.json()["status"], dry.json()["result"]) == (True, 200, plan.json())
    assert Region.objects.get(name="eu-east").title == ""
    assert boss.post("/api/v1/config/apply", {"document": document}).json() == plan.json()
    assert Region.objects.get(name="eu-east").title == "East"


def test_a_dry_run_tells_the_documents_and_the_names_that_an_apply_would_change(installation, boss):
    ZoneFactory(apex="example.com")
    published(installation)
    document = boss.get("/api/v1/config").json()
    (www,) = (each for each in document["domains"] if each["host"] == "www.example.com")
    www["aliases"], www["default_ttl"] = ["shop.example.com"], 7
    new = {"host": "new.example.com", "origins": [{"host": "127.0.0.1", "scheme": "http"}]}
    document["domains"].append(new)
    document["nodes"][0]["weight"] = 7
    before = everything()
    answer = boss.post("/api/v1/config/apply?dry_run=true", {"document": document})
    told = answer.json()["changes"]
    assert {(item["kind"], item["key"], item["change"]) for item in told["documents"]} >= {
        ("domain", "new.example.com", "added"),
        ("domain", "www.example.com", "replaced"),
    }
    (shown,) = (each for each in told["documents"] if each["key"] == "www.example.com" and "document" in each)
    assert shown["document"]["cache"]["default_ttl"] == 7
    assert [(item["name"], item["zone"], item["change"]) for item in told["names"]] == [
        ("example.com", "example.com", "disappears"),
        ("new.example.com", "example.com", "appears"),
        ("shop.example.com", "example.com", "appears"),
    ]
    assert everything() == before
    assert boss.post("/api/v1/config/apply", {"document": document}).json() == answer.json()["result"]


def test_a_dry_run_is_refused_where_the_apply_would_be(installation, boss):
    sent = {"document": {"version": 1, "domains": []}, "prune": True}
    assert boss.post("/api/v1/config/apply?dry_run=true", sent).status_code == 409
    sent = {"document": {"version": 1, "domains": [{}]}}
    assert boss.post("/api/v1/config/apply?dry_run=true", sent).status_code == 400


def test_the_api_says_where_something_is_wrong_and_follows_no_references(keyspace, boss):
    item = {"name": "n", "address": "192.0.2.1", "tsig_name": "k", "tsig_secret": {"file": "/etc/hostname"}}
    answer = boss.post("/api/v1/config/apply", {"document": {"version": 1, "secondaries": [item]}})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "/document/secondaries/0/tsig_secret"


def test_what_cannot_be_removed_is_named_at_its_section(keyspace, boss):
    for name in ("eu-east", "us-east"):
        NodeFactory(region=RegionFactory(name=name))
    document = {"version": 1, "regions": [{"name": "ap", "nope": 1}]}
    answer = boss.post("/api/v1/config/plan", {"document": document, "prune": True, "remove_share": 1})
    said = {error["field"]: error["reason"] for error in answer.json()["errors"]}
    assert set(said) == {"/document/regions", "/document/regions/0/nope"}
    assert all(
        f"{name} cannot be removed: node" in said["/document/regions"] for name in ("eu-east", "us-east")
    )


def test_the_api_refuses_to_remove_too_much(installation, boss):
    sent = {"document": {"version": 1, "domains": []}, "prune": True}
    answer = boss.post("/api/v1/config/apply", sent)
    assert answer.status_code == 409 and "2 of 2 domains" in answer.json()["detail"]
    assert "0 created, 0 changed, 2 removed" in answer.json()["detail"]
    plan = boss.post("/api/v1/config/plan", sent)
    assert (plan.status_code, plan.json()["removed"], len(plan.json()["items"])) == (200, 2, 2)
    assert "would be refused" in plan.json()["notes"][0]
    assert boss.post("/api/v1/config/apply", {**sent, "remove_share": 1}).json()["removed"] == 2


def test_whoever_applies_needs_the_right_of_each_change(installation, as_role):
    operator = as_role("operator")
    document = operator.get("/api/v1/config").json()
    document["domains"][0]["notes"] = "theirs"
    assert operator.post("/api/v1/config/apply", {"document": document}).status_code == 200
    document["regions"][0]["title"] = "theirs"
    answer = operator.post("/api/v1/config/apply", {"document": document})
    assert answer.status_code == 403 and "nodes.change_region" in answer.json()["detail"]
    assert Region.objects.filter(title="theirs").count() == 0


def test_reading_it_costs_the_same_number_of_queries_for_many(installation, django_assert_max_num_queries):
    for _ in range(10):
        OriginFactory(domain=DomainFactory())
    RecordFactory.create_batch(20, zone=Zone.objects.get())
    assert connection.vendor in ("sqlite", "postgresql")
    with django_assert_max_num_queries(30):
        config_export()
