"""Every error is a problem that names the field and the reason."""

import pytest
from django.db import IntegrityError, OperationalError

from api.problems import PROBLEMS, describe, flat
from cirrus_site.errors import CirrusError
from edge.errors import RedisUnreachable
from nodes.errors import NodeStillServes
from tests.factories import NodeFactory

pytestmark = pytest.mark.django_db
NODES = "/api/v1/nodes"


def problem(answer, kind: str):
    """The body of a problem of this type."""
    assert answer["Content-Type"] == "application/problem+json", answer.content
    body = answer.json()
    assert body["type"] == f"/api/v1/problems/{kind}", body
    assert (body["status"], body["title"]) == (answer.status_code, PROBLEMS[kind].title)
    return body


def test_a_field_is_named_by_a_pointer_and_its_reason_is_the_admins(boss, keyspace):
    body = problem(boss.post(NODES, {"name": "Ä", "region": "x", "weight": 0, "a/b~": 1}), "invalid")
    assert body["errors"] == [{"field": "/a~1b~0", "reason": "There is no such field."}]
    body = problem(boss.post(NODES, {"name": "Ä", "region": "x", "weight": 0}), "invalid")
    assert [error["field"] for error in body["errors"]] == ["/name", "/region", "/weight"]
    assert body["instance"] == NODES


def test_the_rules_of_a_model_hold_that_no_field_alone_can_break(boss, keyspace):
    NodeFactory(name="edge-1")
    document = {"name": "edge-2", "region": "eu-west"}
    body = problem(boss.post(NODES, document), "invalid")
    assert body["errors"] == [
        {"field": "", "reason": "A node needs an IPv4 address, an IPv6 address, or both."}
    ]
    link_local = problem(boss.post(NODES, {**document, "ipv4": "169.254.169.254"}), "invalid")
    assert link_local["errors"][0]["field"] == "/ipv4"
    assert "metadata address" in link_local["detail"]


def test_what_is_taken_is_a_conflict(boss, keyspace):
    NodeFactory(name="edge-1")
    document = {"name": "edge-1", "region": "eu-west", "ipv4": "127.0.0.1"}
    assert problem(boss.post(NODES, document), "conflict")["errors"][0]["field"] == "/name"


def test_what_is_needed_says_by_whom(boss, keyspace):
    NodeFactory(name="edge-1")
    body = problem(boss.delete("/api/v1/regions/eu-west"), "in-use")
    assert body["errors"] == [{"field": "", "reason": "node edge-1 needs it."}]


def test_what_would_do_harm_says_what_to_do_first(boss, keyspace):
    NodeFactory(name="edge-1")
    body = problem(boss.post(f"{NODES}/edge-1/maintenance"), "refused")
    assert "Drain it first" in body["detail"]
    assert boss.post(f"{NODES}/edge-1/maintenance", {"force": True}).json()["state"] == "maintenance"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"name": "a", "name": "b"}',
        b'{"weight": NaN}',
        b'{"weight": 1e999}',
        b'{"name": "\\u0000"}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b"[" * 200_000,
        b'{"weight": ' + b"9" * 5_000 + b"}",
    ],
)
def test_what_cannot_be_read_is_a_bad_request(body, boss, keyspace):
    answer = boss.generic("POST", NODES, body, content_type="application/json")
    if body:
        problem(answer, "bad-request")
    else:
        problem(answer, "invalid")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"1"])
def test_what_is_no_object_is_not_valid(body, boss, keyspace):
    for method, address in (("POST", NODES), ("PUT", f"{NODES}/edge-9")):
        problem(boss.generic(method, address, body, content_type="application/json"), "invalid")


def test_a_backslash_before_u0000_is_no_nul(boss, keyspace):
    body = rb'{"name": "us", "title": "\\u0000 \u00e4"}'
    answer = boss.generic("POST", "/api/v1/regions", body, content_type="application/json")
    assert answer.json()["title"] == "\\u0000 ä"


def test_the_other_errors_of_http(boss, client, keyspace):
    problem(client.get(NODES), "unauthenticated")
    for method in ("get", "post", "put", "patch", "delete"):
        client.handler.enforce_csrf_checks = True
        problem(getattr(client, method)("/api/v1/nothing/here"), "not-found")
    problem(boss.get(f"{NODES}/nobody"), "not-found")
    problem(boss.get(f"{NODES}/a%00b"), "not-found")
    problem(boss.get("/api/v1/alarms/999999999999999999"), "not-found")
    problem(boss.get(f"{NODES}?search=a%00b"), "bad-request")
    answer = boss.delete(NODES)
    problem(answer, "method-not-allowed")
    assert answer["Allow"] == "GET, POST, HEAD"
    problem(boss.options(NODES), "method-not-allowed")
    problem(boss.get(NODES, HTTP_ACCEPT="text/html"), "not-acceptable")
    problem(
        boss.generic("POST", NODES, "a=b", content_type="application/x-www-form-urlencoded"),
        "unsupported-media-type",
    )
    problem(
        boss.generic("POST", NODES, b"x" * (1024 * 1024 + 1), content_type="application/json"), "too-large"
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "?limit"),
        ("limit=501", "?limit"),
        ("limit=²", "?limit"),
        ("cursor=x", "?cursor"),
        ("ordering=notes", "?ordering"),
        ("regoin=eu", "?regoin"),
        ("state=broken", "?state"),
        ("is_edge=perhaps", "?is_edge"),
        ("state=", "?state"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(query, field, boss, keyspace):
    body = problem(boss.get(f"{NODES}?{query}"), "invalid")
    assert [error["field"] for error in body["errors"]] == [field]


def test_a_write_has_no_parameters_but_dry_run(boss, keyspace):
    problem(boss.post("/api/v1/regions?dry-run=true", {"name": "us"}), "invalid")
    problem(boss.post("/api/v1/regions?dry_run=yes", {"name": "us"}), "invalid")


class Hiccup(CirrusError):
    permanent = False


@pytest.mark.parametrize(
    ("error", "kind", "retry"),
    [
        (RedisUnreachable("no route"), "unavailable", True),
        (Hiccup("Not now."), "unavailable", True),
        (NodeStillServes("edge-1", "it is up"), "refused", False),
        (IntegrityError("UNIQUE"), "conflict", False),
        (OperationalError("secret host"), "unavailable", True),
        (KeyError("secret of ours"), "server-error", False),
    ],
)
def test_errors_of_ours_say_whether_to_try_again(error, kind, retry):
    found, body, headers = describe(error)
    assert found == kind
    assert ("Retry-After" in headers) is retry
    assert "secret" not in body["detail"]
    assert "UNIQUE" not in body["detail"]


def test_errors_in_lists_point_at_their_item():
    tree = {"origins": [{}, {"host": ["wrong"]}], "backups": {1: ["none"]}, "non_field_errors": ["all of it"]}
    assert list(flat(tree)) == [
        {"field": "/origins/1/host", "reason": "wrong"},
        {"field": "/backups/1", "reason": "none"},
        {"field": "", "reason": "all of it"},
    ]


def test_each_type_has_its_page(client):
    for kind, about in PROBLEMS.items():
        page = client.get(f"/api/v1/problems/{kind}").json()
        assert (page["title"], page["status"]) == (about.title, about.status)
    assert client.get("/api/v1/problems/nothing").status_code == 404
