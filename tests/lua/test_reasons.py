"""Why an answer would not be kept: a sentence for whatever `cirrus.freshness` does not store."""

import pytest

from tests.lua.runtime import module, to_lua

freshness, reasons = module("freshness"), module("reasons")

CACHE = {"default_ttl": 300, "max_ttl": 86_400, "negative_ttl": 0, "guard": True}


@pytest.mark.parametrize(
    ("answer", "act", "sentence"),
    [
        ({"mislabelled": True, "content_type": "text/html"}, {}, "guard: the type text/html contradicts"),
        ({}, {"bypass": True}, "its rule says “do not cache”"),
        ({"status": 206}, {}, "no whole answer"),
        ({"vary": "Accept, *"}, {"force": True}, "Vary: *"),
        ({"cache_control": "max-age=9, no-store"}, {"edge_ttl": 9}, "the origin says no-store"),
        ({"cache_control": "private"}, {}, "the origin says private"),
        ({"cache_control": "max-age=9", "cdn_cache_control": "no-store"}, {}, "the origin says no-store"),
        ({"cache_control": "max-age=9", "set_cookie": True}, {}, "sets a cookie"),
        ({"cache_control": "max-age=9", "authorization": True}, {}, "an Authorization header"),
        (
            {"status": 404},
            {"ttl_by_status": [{"from": 400, "to": 499, "ttl": 0}]},
            "0 seconds for the status",
        ),
        ({"cookie": True}, {}, "has a cookie and the origin gives no lifetime"),
        ({"status": 404}, {}, "the domain's negative TTL is 0"),
        ({"status": 500}, {}, "a status 500 is not kept"),
        ({"cache_control": "max-age=0"}, {}, "nothing is left of its lifetime"),
        ({"cache_control": "no-cache"}, {}, "nothing is left of its lifetime"),
        ({"expires": "0"}, {}, "nothing is left of its lifetime"),
        ({}, {"edge_ttl": 0}, "nothing is left of its lifetime"),
    ],
)
def test_each_reason_is_told(answer, act, sentence):
    given = to_lua({"status": 200, "now": 1_700_000_000, **answer})

    assert freshness.of(given, to_lua(CACHE), to_lua(act)).store is False
    assert sentence in reasons.not_kept(given, to_lua(CACHE), to_lua(act))
