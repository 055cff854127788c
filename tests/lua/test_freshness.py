"""How long an answer is fresh (RFC 9111)."""

import pytest

from tests.lua.runtime import module, to_lua, to_python

freshness = module("freshness")
NOW = 1_800_000_000
CACHE = {"default_ttl": 300, "max_ttl": 86400, "negative_ttl": 10}


def windows(cache=CACHE, **answer):
    return to_python(freshness.of(to_lua({"status": 200, "now": NOW, **answer}), to_lua(cache)))


def ttl(**answer):
    return windows(**answer)["ttl"]


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        (None, 300),
        ("max-age=60", 60),
        ("max-age=60, s-maxage=90", 90),
        ("S-MaxAge=90, Max-Age=60", 90),
        ('max-age="60"', 60),
        ("public", 300),
        ("max-age=0", 0),
        ("max-age=never", 0),
        ("max-age=-1", 0),
        ("max-age=99999999999999999999", 86400),
        ("no-store", 0),
        ("private", 0),
        ('private="x-a, max-age=60"', 0),
        ("no-cache, max-age=60", 0),
        ('no-cache="set-cookie", max-age=60', 0),
        ("foo, , max-age=60,", 60),
    ],
)
def test_the_lifetime_follows_cache_control(cache_control, seconds):
    assert ttl(cache_control=cache_control) == seconds


def test_expires_counts_from_the_date_where_there_is_no_max_age():
    assert ttl(expires="…", expires_at=NOW + 40, date_at=NOW - 10) == 50
    assert ttl(expires="0") == 0
    assert ttl(expires="…", expires_at=NOW + 40, cache_control="max-age=7") == 7


def test_the_time_spent_in_other_caches_is_taken_off():
    assert ttl(cache_control="max-age=60", age="25") == 35
    assert ttl(cache_control="max-age=60", age="61") == 0


def test_only_some_statuses_are_cached_without_being_told():
    assert ttl(status=404) == 10
    assert ttl(status=404, cache_control="max-age=60") == 60
    assert ttl(status=302) == 0
    assert ttl(status=302, cache_control="max-age=60") == 60
    assert ttl(status=500, cache_control="max-age=60") == 0
    assert ttl(status=206, cache_control="max-age=60") == 0


def test_what_belongs_to_one_person_is_not_stored():
    assert ttl(set_cookie=True, cache_control="max-age=60") == 0
    assert ttl(vary="Accept, *", cache_control="max-age=60") == 0
    assert ttl(authorization=True, cache_control="max-age=60") == 0
    assert ttl(authorization=True, cache_control="s-maxage=60") == 60


def test_a_stale_answer_is_served_only_where_the_origin_lets_it():
    assert windows(cache_control="max-age=60")["stale_error"] == freshness.STALE_ON_ERROR
    assert windows(cache_control="max-age=60, stale-if-error=5, stale-while-revalidate=3") == {
        "ttl": 60,
        "stale_error": 5,
        "stale_update": 3,
    }
    assert windows(cache_control="max-age=60, must-revalidate, stale-if-error=5")["stale_error"] == 0
    assert windows(cache_control="s-maxage=60") == {"ttl": 60, "stale_error": 0, "stale_update": 0}
