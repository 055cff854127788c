"""Tokens in use: whom they let in, how they end, and what they may make."""

import logging
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Token, User
from accounts.tokens import digest_of, token_revoke
from api.scopes import SCOPES
from tests.api.conftest import client_with, secret_for, user_with, with_settings

pytestmark = pytest.mark.django_db
NODES = "/api/v1/nodes"
TOKENS = "/api/v1/tokens"


#: What tokens are limited to beside a.example and b.example.
WIDER = {"everything": [], "another": ["c.example"], "one more": ["a.example", "c.example"]}


def token_with(secret: str) -> Token:
    return Token.objects.get(digest=digest_of(secret))


def test_a_token_costs_one_look_up(keyspace):
    secret = secret_for(user_with("superuser"))
    client_with(secret).get(NODES)  # notes its first use
    with CaptureQueriesContext(connection) as queries:
        assert client_with(secret).get(NODES).status_code == 200
    about_tokens = [query["sql"] for query in queries if "accounts_" in query["sql"]]
    assert len(about_tokens) == 1
    assert "digest" in about_tokens[0]


def test_what_cannot_be_a_token_costs_none(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client_with("cirrus_" + "x" * 49).get(NODES).status_code == 401


ENDS = {
    "unknown": lambda token: token.delete(),
    "revoked": lambda token: token_revoke(token=token, by="ada"),
    "expired": lambda token: Token.objects.filter(pk=token.pk).update(expires_at=timezone.now()),
    "unused": lambda token: Token.objects.filter(pk=token.pk).update(
        max_unused_days=30, last_used_at=timezone.now() - timedelta(days=30)
    ),
    "never used": lambda token: Token.objects.filter(pk=token.pk).update(
        max_unused_days=30, last_used_at=None, created_at=timezone.now() - timedelta(days=30)
    ),
    "of an inactive person": lambda token: User.objects.filter(pk=token.owner_id).update(is_active=False),
    "from another network": lambda token: Token.objects.filter(pk=token.pk).update(networks=["192.0.2.0/24"]),
}


@pytest.mark.parametrize("end", ENDS)
def test_every_end_looks_the_same_from_outside_and_the_log_says_which(end, keyspace, caplog):
    secret = secret_for(user_with("operator"))
    assert client_with(secret).get(NODES).status_code == 200
    ENDS[end](token_with(secret))
    answer = client_with(secret).get(NODES)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="cirrus"'
    assert answer.json() == {
        "type": "/api/v1/problems/unauthenticated",
        "title": "Who are you?",
        "status": 401,
        "instance": NODES,
        "detail": "This token is not valid here.",
    }
    assert "refused for 127.0.0.1" in caplog.text
    assert secret not in caplog.text


def test_a_token_is_good_until_its_very_end(keyspace):
    secret = secret_for(user_with("operator"), expires_at=timezone.now() + timedelta(hours=1))
    with time_machine.travel(timezone.now() + timedelta(minutes=59), tick=False):
        assert client_with(secret).get(NODES).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(minutes=61), tick=False):
        assert client_with(secret).get(NODES).status_code == 401


def test_a_network_counts_by_the_proxy_that_is_trusted_and_by_no_other(keyspace):
    client = client_with(secret_for(user_with("operator"), networks=["192.0.2.0/24"]))
    told = {"HTTP_X_FORWARDED_FOR": "203.0.113.9, 192.0.2.7"}
    assert client.get(NODES, **told).status_code == 401
    with with_settings(trusted_proxies=["127.0.0.0/8"]):
        assert client.get(NODES, **told).status_code == 200
        assert client.get(NODES, HTTP_X_FORWARDED_FOR="192.0.2.7, 203.0.113.9").status_code == 401
        assert client.get(NODES).status_code == 401


def test_the_last_use_is_noted_once_a_minute(keyspace):
    secret = secret_for(user_with("operator"))
    start = timezone.now()
    for seconds, noted in ((0, 0), (59, 0), (61, 61)):
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            client_with(secret).get(NODES)
        assert token_with(secret).last_used_at == start + timedelta(seconds=noted)


def test_nobody_gets_more_by_a_token_than_its_owner_has(as_role, keyspace):
    viewer = as_role("viewer", SCOPES)
    assert viewer.get(NODES).status_code == 200
    assert viewer.delete(f"{NODES}/x").status_code == 403


def test_other_schemes_are_no_token(keyspace):
    client = APIClient()
    for header in ("", "Bearer", "Bearer ", "Basic YTpi", "bearer cirrus_ä"):
        assert client.get(NODES, HTTP_AUTHORIZATION=header).status_code == 401


def test_a_secret_is_shown_once_and_stored_nowhere(as_role, keyspace):
    answer = as_role("operator").post(TOKENS, {"name": "ci", "scopes": ["nodes:read"]})
    secret = answer.json()["secret"]
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    again = as_role("operator").get(answer["Location"])
    assert "secret" not in again.json()
    assert (again.json()["prefix"], again.json()["last4"]) == (secret[:11], secret[-4:])
    assert client_with(secret).get(NODES).status_code == 200
    row = Token.objects.filter(pk=again.json()["id"]).values().get()
    assert secret[7:] not in str(row)


def test_a_replay_does_not_tell_the_secret(as_role, keyspace):
    client, key = as_role("operator"), {"HTTP_IDEMPOTENCY_KEY": "once"}
    document = {"name": "ci", "scopes": ["nodes:read"]}
    first, second = (client.post(TOKENS, document, **key) for _ in range(2))
    assert second["Idempotency-Replayed"] == "true"
    assert first.json()["id"] == second.json()["id"]
    assert "secret" in first.json()
    assert "secret" not in second.json()


@pytest.mark.parametrize(
    ("fields", "wider"),
    [
        ({}, {"scopes": ["nodes:write"]}),
        ({"domains": ["a.example"]}, {"domains": []}),
        ({"domains": ["a.example"]}, {"domains": ["a.example", "b.example"]}),
        ({"networks": ["127.0.0.0/8"]}, {"networks": []}),
        ({"networks": ["127.0.0.0/8"]}, {"networks": ["0.0.0.0/0"]}),
        ({}, {"expires_at": None}),
        ({"max_unused_days": 7}, {"max_unused_days": None}),
        ({"max_unused_days": 7}, {"max_unused_days": 8}),
        ({}, {"owner": "superuser"}),
    ],
)
def test_a_token_makes_none_that_may_do_more(fields, wider, as_role, keyspace):
    user_with("superuser")
    client = as_role("operator", ["tokens:write", "nodes:read"], **fields)
    same = {"name": "child", "scopes": ["nodes:read"], **fields}
    assert client.post(TOKENS, same).status_code == 201
    refusal = client.post(TOKENS, {**same, **wider})
    assert refusal.status_code == 403, refusal.json()
    assert Token.objects.filter(name="child").count() == 1


def test_an_administrator_makes_tokens_for_those_with_fewer_rights_alone(as_role, keyspace):
    user_with("operator"), user_with("superuser")
    document = {"name": "t", "scopes": ["nodes:read"]}
    ada = as_role("administrator")
    assert ada.post(TOKENS, {**document, "owner": "operator"}).status_code == 201
    assert ada.post(TOKENS, {**document, "owner": "superuser"}).status_code == 403
    assert as_role("operator").post(TOKENS, {**document, "owner": "administrator"}).status_code == 403


def test_people_see_their_own_tokens_and_administrators_all(as_role, keyspace):
    olga, ada = as_role("operator"), as_role("administrator")
    hers = Token.objects.get(owner__username="administrator")
    assert {token["owner"] for token in olga.get(TOKENS).json()["results"]} == {"operator"}
    assert olga.get(f"{TOKENS}/{hers.pk}").status_code == 404
    assert olga.post(f"{TOKENS}/{hers.pk}/revoke").status_code == 404
    assert {token["owner"] for token in ada.get(TOKENS).json()["results"]} == {"operator", "administrator"}


def test_what_a_token_leaves_out_of_another_one_is_as_its_own(as_role, keyspace):
    client = as_role("operator", max_unused_days=7)
    made = client.post(TOKENS, {"name": "child", "scopes": ["nodes:read"]})
    assert (made.status_code, made.json()["max_unused_days"]) == (201, 7)


def test_a_token_for_some_domains_neither_sees_nor_ends_others(as_role, keyspace):
    boss, mine = as_role("superuser"), {"name": "mine", "scopes": ["nodes:read"], "domains": ["a.example"]}
    wide = {name: boss.post(TOKENS, {**mine, "domains": hosts}).json()["id"] for name, hosts in WIDER.items()}
    client = as_role("superuser", domains=["a.example", "b.example"])
    same = client.post(TOKENS, mine).json()["id"]
    for pk in wide.values():
        at = f"{TOKENS}/{pk}"
        codes = [client.get(at), client.post(f"{at}/revoke"), client.post(f"{at}/rotate"), client.delete(at)]
        assert [answer.status_code for answer in codes] == [404] * 4
    assert not {*wide.values()} & {token["id"] for token in client.get(TOKENS).json()["results"]}
    assert client.post(f"{TOKENS}/{same}/revoke").json()["state"] == "revoked"


def test_a_rotated_token_lives_on_for_its_overlap(as_role, keyspace):
    client = as_role("operator")
    made = client.post(TOKENS, {"name": "ci", "scopes": ["nodes:read"]}).json()
    turned = client.post(f"{TOKENS}/{made['id']}/rotate", {"overlap_hours": 2}).json()
    assert turned["id"] != made["id"]
    assert turned["scopes"] == made["scopes"]
    both = [client_with(one["secret"]) for one in (made, turned)]
    assert [one.get(NODES).status_code for one in both] == [200, 200]
    with time_machine.travel(timezone.now() + timedelta(hours=3), tick=False):
        assert [one.get(NODES).status_code for one in both] == [401, 200]
    twice = client.post(f"{TOKENS}/{made['id']}/rotate")
    assert (twice.status_code, twice.json()["type"]) == (409, "/api/v1/problems/refused")


def test_a_revoked_token_is_refused_at_once(as_role, keyspace):
    client = as_role("operator")
    made = client.post(TOKENS, {"name": "ci", "scopes": ["nodes:read"]}).json()
    other = client_with(made["secret"])
    assert other.get(NODES).status_code == 200
    assert client.post(f"{TOKENS}/{made['id']}/revoke").json()["state"] == "revoked"
    assert other.get(NODES).status_code == 401


def test_the_master_token_manages_tokens_and_nothing_else(keyspace):
    user_with("superuser")
    master = "m" * 40
    client = client_with(master)
    assert client.get(TOKENS).status_code == 401  # without a setting there is none
    with with_settings(master_token=master):
        assert client.post(TOKENS, {"name": "x", "scopes": ["nodes:read"]}).status_code == 400
        document = {"name": "first", "owner": "superuser", "scopes": ["nodes:read"]}
        made = client.post(TOKENS, document)
        assert made.status_code == 201
        assert made.json()["created_by"] == "master token"
        assert client_with(made.json()["secret"]).get(NODES).status_code == 200
        for address in (NODES, "/api/v1/users", "/api/v1/alarms", "/api/v1/roles"):
            assert client.get(address).status_code == 403
        assert client_with(master + "m").get(TOKENS).status_code == 401


def test_a_limited_token_touches_nothing_that_is_no_part_of_a_domain(as_role, keyspace):
    client = as_role("superuser", domains=["www.example.com"])
    answer = client.get(NODES)
    assert answer.status_code == 403
    assert "limited to some domains" in answer.json()["detail"]


def test_a_session_of_the_portal_works_and_needs_the_csrf_token(keyspace):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user_with("superuser"))
    assert client.get(NODES).status_code == 200
    assert client.post("/api/v1/regions", {"name": "us"}).status_code == 403


def test_the_log_says_nothing_of_a_token_that_works(caplog, as_role, keyspace):
    with caplog.at_level(logging.INFO):
        as_role("operator").get(NODES)
    assert "cirrus_" not in caplog.text
