"""Limits of requests: counted in Redis, told in headers, and none where Redis is down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.throttles import WINDOW, count, judge
from tests.api.conftest import client_with, secret_for, user_with, with_settings

NODES = "/api/v1/nodes"


@pytest.mark.django_db
class TestRequests:
    def test_a_token_has_its_own_limit(self, keyspace):
        one, two = (client_with(secret_for(user_with("operator"))) for _ in range(2))
        with with_settings(api_token_rate=3):
            answers = [one.get(NODES) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            assert answers[0]["RateLimit-Policy"] == '"token";q=3;w=60'
            assert [answer["RateLimit"].split(";")[1] for answer in answers[:3]] == ["r=2", "r=1", "r=0"]
            assert 1 <= int(answers[3]["Retry-After"]) <= 2 * WINDOW
            assert answers[3].json()["type"] == "/api/v1/problems/throttled"
            assert two.get(NODES).status_code == 200

    def test_an_address_has_one_for_whoever_guesses_tokens(self, client, keyspace):
        with with_settings(api_address_rate=2):
            codes = [client.get(NODES).status_code for _ in range(3)]
        assert codes == [401, 401, 429]

    def test_without_redis_nothing_is_refused(self, keyspace):
        client = client_with(secret_for(user_with("operator")))
        keyspace.stop()
        with with_settings(api_token_rate=1, api_address_rate=1):
            assert [client.get(NODES).status_code for _ in range(2)] == [200, 200]


def test_who_waits_as_long_as_told_gets_through(keyspace):
    at = 1_000_000.0
    while not (verdict := count(name="test", who="a", quota=5, at=at)).wait:
        at += 0.1
    assert not count(name="test", who="a", quota=5, at=at + verdict.wait + 0.01).wait


def test_what_was_refused_does_not_count(keyspace):
    for _ in range(50):
        verdict = count(name="test", who="b", quota=5, at=1_000_000.0)
    assert verdict.wait <= 2 * WINDOW
    assert count(name="test", who="b", quota=6, at=1_000_000.0).wait == 0


@given(st.integers(1, 1000), st.integers(0, 1000), st.integers(1, 1001), st.floats(0, 0.999))
def test_a_verdict_refuses_only_above_the_quota(quota, before, now, share):
    verdict = judge(name="n", quota=quota, before=before, now=now, share=share)
    assert (verdict.wait == 0) == (before * (1 - share) + now <= quota)
    assert 0 <= verdict.remaining <= quota
    assert verdict.wait <= 2 * WINDOW
