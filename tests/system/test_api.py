"""A program that has a token: from a domain to its first purge, with an edge that runs."""

import pytest
from rest_framework.test import APIClient

from accounts.models import Token, User
from accounts.tokens import Issuer, token_create
from nodes.models import Node
from tests.servers import eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

SCOPES = ["domains:read", "domains:write", "purges:read", "purges:write", "stats:read", "changes:read"]


@pytest.fixture
def program(keyspace):
    owner = User.objects.create(username="program", is_superuser=True)
    token = Token(name="deploy", owner=owner, scopes=SCOPES)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token_create(token=token, by=Issuer('the test'))}")
    return client


@pytest.fixture
def shop(program, edge, origin):
    """A domain that the edge serves, made by the program."""
    node = Node.objects.get(name="edge-1")
    node.status_port = edge.status_port
    node.save()
    document = {
        "origins": [{"scheme": "http", "host": "127.0.0.1", "port": origin.port}],
        "rules": [
            {"name": "Images", "edge_ttl": 3600, "conditions": [{"what": "prefix", "values": ["/img/"]}]}
        ],
    }
    made = program.put("/api/v1/domains/shop.example.com", document)
    assert made.status_code == 201, made.json()
    eventually(lambda: edge.get("shop.example.com", "/").status_code == 200)
    return "/api/v1/domains/shop.example.com"


def test_a_domain_is_on_the_edge_under_the_revision_that_its_status_names(program, shop):
    status = eventually(lambda: (said := program.get(f"{shop}/status").json())["tone"] == "ok" and said)
    assert (status["applied_by"], status["serving"]) == (1, 1)
    change = program.get(f"/api/v1/changes/{status['revision']}").json()
    assert change["edges"] == [{"node": "edge-1", "answer": "applied", "why": ""}]
    again = program.put(shop, program.get(shop).json())
    assert again.status_code == 200
    assert program.get(f"{shop}/status").json()["revision"] == status["revision"]


def test_a_purge_is_done_when_the_edge_has_it_and_the_next_answer_is_a_new_one(program, shop, edge):
    cache = lambda: edge.get("shop.example.com", "/img/a").headers["X-Cache"]  # noqa: E731
    cache()
    eventually(lambda: cache() == "HIT")
    accepted = program.post(f"{shop}/purges", {"urls": ["/img/a"]})
    assert accepted.status_code == 202
    done = eventually(
        lambda: (said := program.get(accepted["Location"]).json())["status"]["finished"] and said
    )
    assert done["status"]["edges"] == [{"node": "edge-1", "answer": "applied", "why": ""}]
    assert cache() == "MISS"


def test_the_edge_says_which_rule_holds_and_not_of_domains_that_the_token_is_not_for(program, shop):
    asked = {"url": "/img/a?x=1", "headers": ["Accept: */*", "Cookie: a=1"]}
    said = eventually(
        lambda: (found := program.get(f"{shop}/why", asked)).status_code == 200 and found.json()
    )
    assert said["node"] == "edge-1"
    assert said["facts"]["rule"]["name"] == "Images"
    assert said["facts"]["answer"]["ttl"] == 3600
    assert {"name": "Rule", "value": "Images"} in said["lines"]
    other = program.put(
        "/api/v1/domains/other.example.com", program.get(shop).json() | {"host": "other.example.com"}
    )
    assert other.status_code == 201
    Token.objects.update(domains=["shop.example.com"])
    whole = {"url": "http://other.example.com/img/a"}
    answer = eventually(lambda: (found := program.get(f"{shop}/why", whole)).status_code != 503 and found)
    assert answer.status_code == 403


def test_traffic_is_what_the_edge_has_answered(program, shop, edge):
    for _ in range(3):
        edge.get("shop.example.com", "/img/b")
    eventually(lambda: program.get(f"{shop}/traffic").json()["requests"] >= 3)
