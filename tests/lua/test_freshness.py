"""How long an answer is fresh (RFC 9111, RFC 9213), and what a rule changes of it."""

import pytest

from tests.lua.runtime import module, to_lua, to_python

freshness = module("freshness")
NOW = 1_800_000_000
DAY = 86400
CACHE = {"default_ttl": 300, "max_ttl": DAY, "negative_ttl": 10}


def fresh(cache=CACHE, act=None, **answer):
    answer = {"status": 200, "now": NOW, **answer}
    return to_python(freshness.of(to_lua(answer), to_lua(cache), to_lua(act)))


def ttl(**answer):
    return fresh(**answer)["ttl"]


def stale(**answer):
    result = fresh(**answer)
    return result["stale_error"], result["stale_update"]


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        (None, 300),
        ("max-age=60", 60),
        ("max-age=60, s-maxage=90", 90),
        ("S-MaxAge=90, Max-Age=60", 90),
        ('max-age="60"', 60),
        ("max-age='60'", 0),
        ("max-age=0060", 60),
        ("max-age=60.5", 0),
        ("max-age =60", 0),
        ("max-age= 60", 0),
        ('extension="max-age=3600", max-age=1', 1),
        ('extension="a \\", max-age=3600, b", max-age=1', 1),
        ("max-age=5, max-age=60", 5),
        ("public", 300),
        ("max-age=0", 0),
        ("max-age=never", 0),
        ("max-age=-1", 0),
        ("max-age=99999999999999999999", DAY),
        ("no-store", 0),
        ("private", 0),
        ('private="x-a, max-age=60"', 0),
        ("no-cache, max-age=60", 0),
        ('no-cache="set-cookie", max-age=60', 0),
        ("foo, , max-age=60,", 60),
        ("immutable, max-age=60, stale-nonsense", 60),
    ],
)
def test_the_lifetime_follows_cache_control(cache_control, seconds):
    assert ttl(cache_control=cache_control) == seconds


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("max-age=60", 60),
        ("max-age=60;with=parameters; and=more, other=(a b);c", 60),
        ('x="a, b", max-age=60', 60),
        ("max-age=5, max-age=60", 60),
        ("no-store", 0),
        ("max-age=60, no-store=?0", 60),
        # What is no dictionary of RFC 8941 counts as absent: Cache-Control's 7 seconds are left.
        ("", 7),
        ("max-age=60,", 7),
        ("Max-Age=60", 7),
        ("max-age=60 no-store", 7),
        ("max-age =60", 7),
        ("max-age", 0),
        ('max-age="60"', 0),
    ],
)
def test_a_field_for_cdns_replaces_the_others(field, seconds):
    assert ttl(cdn_cache_control=field, cache_control="max-age=7") == seconds


def test_a_field_for_cdns_overrules_a_prohibition_and_expires():
    assert ttl(cdn_cache_control="max-age=60", cache_control="private") == 60
    assert ttl(cdn_cache_control="public", expires="…", expires_at=NOW + 5) == 300
    assert ttl(surrogate_control="no-store", cache_control="max-age=60") == 0
    assert ttl(surrogate_control="max-age=90;another", cache_control="max-age=60") == 60
    assert ttl(surrogate_control="max-age=90", cache_control="max-age=60") == 90


def test_expires_counts_from_the_date_where_there_is_no_max_age():
    assert ttl(expires="…", expires_at=NOW + 40, date_at=NOW - 10) == 50
    assert ttl(expires="0") == 0
    assert ttl(expires="…", expires_at=NOW + 40) == 40
    assert ttl(expires="…", expires_at=NOW + 300, date_at=NOW + 400) == 0
    assert ttl(expires="…", expires_at=NOW + 40, cache_control="max-age=7") == 7


@pytest.mark.parametrize(
    ("age", "seconds"),
    [("25", 35), ("61", 0), ("0, 7200", 60), ("7200, 0", 0), ("old", 0), ("-5", 0), ("1.5", 0), ("5;a=b", 0)],
)
def test_the_time_spent_in_other_caches_is_taken_off(age, seconds):
    assert ttl(cache_control="max-age=60", age=age) == seconds


@pytest.mark.parametrize(
    ("status", "silent", "explicit"),
    [
        (200, 300, 70),
        (404, 10, 70),
        (299, 0, 70),
        (302, 0, 70),
        (403, 0, 70),
        (500, 0, 60),  # an error for a minute at most
        (599, 0, 60),
        (206, 0, 0),
        (304, 0, 0),
    ],
)
def test_a_status_is_kept_by_its_meaning_or_because_the_origin_says_so(status, silent, explicit):
    assert ttl(status=status) == silent
    assert ttl(status=status, cache_control="max-age=70") == explicit


def test_what_must_be_understood_is_kept_only_where_the_status_is_known():
    assert ttl(status=599, cache_control="max-age=60, must-understand") == 0
    assert ttl(status=200, cache_control="max-age=60, must-understand, no-store") == 60


def test_what_belongs_to_one_person_is_not_stored():
    for answer in (
        {"set_cookie": True, "cache_control": "max-age=60"},
        {"vary": "Accept, *", "cache_control": "max-age=60"},
        {"authorization": True, "cache_control": "max-age=60"},
    ):
        assert fresh(**answer, validator=True) == {
            "store": False,
            "ttl": 0,
            "stale_error": 0,
            "stale_update": 0,
        }
    for directive in ("public", "s-maxage=60", "must-revalidate"):
        assert ttl(authorization=True, cache_control=f"max-age=60, {directive}") == 60


@pytest.mark.parametrize("cache_control", ["no-cache", "max-age=0", "max-age=60, no-cache"])
def test_what_must_be_asked_for_each_time_is_stored_where_it_has_a_validator(cache_control):
    kept = fresh(cache_control=cache_control, validator=True)
    assert (kept["store"], kept["ttl"]) == (True, 0)
    assert fresh(cache_control=cache_control)["store"] is False
    assert freshness.accel_expires(to_lua(kept), NOW) == f"@{NOW - 1}"


def test_a_lifetime_of_nothing_by_the_domain_is_not_stored_at_all_and_by_a_rule_asked_for_each_time():
    assert fresh(cache={**CACHE, "default_ttl": 0}, validator=True)["store"] is False
    assert fresh(act={"edge_ttl": 0}, validator=True)["store"] is True
    assert fresh(act={"edge_ttl": 0})["store"] is False


def test_an_answer_whose_type_contradicts_its_extension_is_not_stored_while_the_guard_is_on():
    assert ttl(mislabelled=True, cache_control="max-age=60") == 0
    assert ttl(mislabelled=True, cache={**CACHE, "guard": True}, act={"force": True, "edge_ttl": 60}) == 0
    assert ttl(mislabelled=True, cache={**CACHE, "guard": False}, cache_control="max-age=60") == 60


def test_a_stale_answer_is_served_only_where_the_origin_lets_it():
    assert stale() == (freshness.STALE_ON_ERROR, freshness.STALE_WHILE_UPDATING)
    assert stale(cache_control="max-age=60, stale-if-error=5, stale-while-revalidate=3") == (5, 3)
    assert stale(cache_control="max-age=60, must-revalidate, stale-if-error=5") == (0, 0)
    assert stale(cache_control="max-age=60, proxy-revalidate") == (0, 0)
    assert stale(cache_control="no-cache, stale-if-error=5", validator=True) == (0, 0)
    assert stale(cache_control="s-maxage=60") == (0, 0)
    assert stale(cache_control="s-maxage=60, stale-if-error=5") == (5, 0)


def test_nobody_waits_behind_a_short_lifetime_for_longer_than_a_tenth_of_it():
    assert stale(cache_control="max-age=2") == (DAY, 0)
    assert stale(cache_control="max-age=60") == (DAY, 6)
    assert stale(cache_control="max-age=3600") == (DAY, 10)
    assert stale(cache_control="max-age=0", validator=True) == (DAY, 0)


def test_a_domain_says_how_long_stale_answers_serve_where_the_origin_is_silent():
    cache = {**CACHE, "stale_if_error": 50, "stale_while_revalidate": 40}
    assert stale(cache=cache) == (50, 40)
    assert stale(cache=cache, cache_control="stale-if-error=5, stale-while-revalidate=3") == (5, 3)


# -- what a rule changes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "answer", "seconds"),
    [
        ({"bypass": True, "edge_ttl": 60, "force": True}, {}, 0),
        ({"edge_ttl": 60}, {}, 60),
        ({"edge_ttl": 60}, {"cache_control": "max-age=5"}, 60),
        ({"edge_ttl": 60}, {"cache_control": "max-age=500", "age": "400"}, 60),
        ({"edge_ttl": 60}, {"status": 302}, 60),
        ({"edge_ttl": 60}, {"status": 206}, 0),
        ({"edge_ttl": 60, "slices": True}, {"status": 206, "etag": '"v1"'}, 60),
        ({"edge_ttl": 60, "slices": True}, {"status": 206}, 0),
        ({"edge_ttl": 60, "slices": True}, {"status": 206, "etag": 'W/"v1"'}, 0),
        ({"edge_ttl": 60, "slices": True}, {"status": 206, "etag": '"v1", "v2"'}, 0),
        ({"edge_ttl": 60, "slices": True}, {"status": 206, "etag": "", "validator": True}, 0),
        ({"edge_ttl": 60}, {"status": 206, "etag": '"v1"'}, 0),
        ({"edge_ttl": 60}, {"status": 404}, 10),
        ({"edge_ttl": 0}, {"cache_control": "max-age=60"}, 0),
        ({"edge_ttl": 10 * DAY}, {}, DAY),
        ({"edge_ttl": 60}, {"cache_control": "no-store"}, 0),
        ({"edge_ttl": 60}, {"cache_control": "no-cache"}, 0),
        ({"edge_ttl": 60}, {"set_cookie": True}, 0),
        ({"edge_ttl": 60}, {"authorization": True}, 0),
        ({"force": True}, {"cache_control": "max-age=60, private"}, 60),
        ({"force": True}, {"cache_control": "no-store"}, 300),
        ({"force": True}, {"cache_control": "no-cache", "set_cookie": True, "authorization": True}, 300),
        ({"force": True, "edge_ttl": 60}, {"cache_control": "no-store"}, 60),
        ({"force": True, "edge_ttl": 60}, {"vary": "*"}, 0),
        ({"force": True}, {"status": 500}, 0),
        ({"strip_cookies": True}, {"set_cookie": True}, 300),
        ({"strip_cookies": True}, {"set_cookie": True, "cache_control": "private"}, 0),
    ],
)
def test_a_rule_changes_how_long_an_answer_is_kept(act, answer, seconds):
    assert ttl(act=act, **answer) == seconds


def test_the_first_range_that_has_the_status_decides():
    act = {
        "edge_ttl": 60,
        "ttl_by_status": [
            {"from": 404, "to": 404, "ttl": 0},
            {"from": 400, "to": 599, "ttl": 5},
            {"from": 500, "to": 599, "ttl": 9},
        ],
    }
    assert ttl(act=act) == 60
    assert ttl(act=act, status=503) == 5
    assert ttl(act=act, status=503, cache_control="no-store") == 0
    assert fresh(act=act, status=404, cache_control="max-age=60", validator=True)["store"] is False


def test_a_rule_replaces_the_stale_windows_but_not_a_prohibition():
    act = {"stale_if_error": 700, "stale_while_revalidate": 70}
    assert stale(act=act) == (700, 70)
    assert stale(act=act, cache_control="max-age=9, stale-if-error=5, stale-while-revalidate=3") == (700, 70)
    assert stale(act=act, cache_control="s-maxage=9") == (700, 70)
    assert stale(act=act, cache_control="max-age=9, must-revalidate") == (0, 0)
    assert stale(act={**act, "force": True}, cache_control="max-age=9, must-revalidate") == (700, 70)


def test_nothing_stays_longer_than_thirty_days():
    longest = freshness.LONGEST
    assert longest == 30 * DAY
    forever = {**CACHE, "max_ttl": 31536000, "stale_if_error": 31536000, "stale_while_revalidate": 31536000}
    assert ttl(cache=forever, cache_control="max-age=31536000") == longest
    assert stale(cache=forever, cache_control="max-age=31536000") == (0, 0)
    assert stale(cache=forever) == (longest - 300, longest - 300)


def test_a_rule_tells_the_client_how_long_to_keep_what_may_be_stored():
    assert fresh(act={"browser_ttl": 5})["browser"] == "max-age=5"
    assert fresh(act={"browser_ttl": 0})["browser"] == "no-cache"
    assert "browser" not in fresh()
    assert "browser" not in fresh(act={"browser_ttl": 5}, cache_control="private")
    assert "browser" not in fresh(act={"browser_ttl": 5}, cache_control="no-cache", validator=True)


def test_a_ruled_lifetime_of_zero_is_asked_about_before_it_is_served():
    kept = {"etag": '"v1"', "validator": True}
    result = fresh(act={"edge_ttl": 0}, **kept)
    assert (result["store"], result["ttl"], result["stale_update"]) == (True, 0, 0)
    assert fresh(act={"edge_ttl": 0, "stale_while_revalidate": 5}, **kept)["stale_update"] == 5


def test_parts_of_large_objects_have_the_domains_lifetime_where_the_origin_is_silent():
    part = {"status": 206, "etag": '"v1"', "validator": True}
    assert fresh(act={"slices": True}, **part)["ttl"] == 300
    assert fresh(**part)["store"] is False
