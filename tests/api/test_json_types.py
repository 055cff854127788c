"""A document has the JSON types that the OpenAPI document says: nothing is taken for something else."""

import pytest

from domains.models import Domain
from nodes.models import Region

pytestmark = pytest.mark.django_db

DOMAIN = {"host": "www.example.com"}


@pytest.mark.parametrize("title", [0, 1.5, True, ["a"], {}])
def test_a_text_is_no_number_and_nothing_else(title, boss, keyspace):
    answer = boss.post("/api/v1/regions", {"name": "us", "title": title})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "/title", "reason": "Not a valid string."}]
    assert not Region.objects.exists()


@pytest.mark.parametrize("tls", [0, 1, "yes", "true", "off", ""])
def test_yes_or_no_is_true_or_false(tls, boss, keyspace):
    answer = boss.post("/api/v1/domains", {**DOMAIN, "tls": tls})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "/tls", "reason": "Must be a valid boolean."}]


@pytest.mark.parametrize("ttl", ["5", True, 5.5, "five", []])
def test_a_number_is_no_text_and_has_no_fraction(ttl, boss, keyspace):
    answer = boss.post("/api/v1/domains", {**DOMAIN, "default_ttl": ttl})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "/default_ttl", "reason": "A valid integer is required."}]


@pytest.mark.parametrize("share", ["0.5", True, []])
def test_a_share_is_a_number(share, boss, keyspace):
    answer = boss.post("/api/v1/config/plan", {"document": {"version": 1}, "remove_share": share})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "/remove_share", "reason": "A valid number is required."}]


def test_a_number_may_be_written_with_a_point(boss, keyspace):
    assert boss.post("/api/v1/domains", {**DOMAIN, "default_ttl": 5.0}).status_code == 201
    assert Domain.objects.get().default_ttl == 5


def test_a_name_of_something_else_is_a_text(boss, keyspace):
    Region.objects.create(name="0")
    documents = {
        "/api/v1/nodes": ({"name": "edge-1", "ipv4": "127.0.0.1", "region": 0}, "/region"),
        "/api/v1/regions": ({"name": "us", "backups": ["0", 0]}, "/backups/1"),
        "/api/v1/users": ({"username": "tom", "permissions": [5]}, "/permissions/0"),
    }
    for address, (document, field) in documents.items():
        answer = boss.post(address, document)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


def test_it_holds_for_the_items_of_lists_and_for_nested_documents(boss, keyspace):
    document = {
        "conditions": [{"what": "method", "values": ["GET", 5]}],
        "name": "Reads",
        "bypass": True,
    }
    answer = boss.post("/api/v1/domains", {**DOMAIN, "rules": [document], "origins": [{"host": 5}]})
    assert answer.json()["errors"] == [
        {"field": "/origins/0/host", "reason": "Not a valid string."},
        {"field": "/rules/0/conditions/0/values/1", "reason": "Not a valid string."},
    ]
