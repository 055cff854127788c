"""Cache-Status (RFC 9211)."""

import pytest

from tests.lua.runtime import module, to_lua

cache_status = module("cache_status")


@pytest.mark.parametrize(
    ("cache", "known", "field"),
    [
        ("HIT", {"ttl": 57}, "e; hit; ttl=57"),
        ("UPDATING", {"ttl": -3}, "e; hit; ttl=-3"),
        ("STALE", {"purged": True}, "e; hit; detail=purged"),
        ("STALE", {"ttl": -3}, "e; hit; ttl=-3"),
        ("STALE", {"failed": True, "ttl": -3}, "e; fwd=stale; detail=origin-failed"),
        ("MISS", {"status": 200, "stored": True}, "e; fwd=uri-miss; fwd-status=200; stored"),
        ("MISS", {"status": 200, "varies": True}, "e; fwd=miss; fwd-status=200"),
        ("EXPIRED", {"status": 200, "stored": True}, "e; fwd=stale; fwd-status=200; stored"),
        ("REVALIDATED", {"status": 200, "stored": True}, "e; fwd=stale; fwd-status=304; stored"),
        ("BYPASS", {"status": 503}, "e; fwd=bypass; fwd-status=503"),
        ("NONE", {"status": 201}, "e; fwd=method; fwd-status=201"),
    ],
)
def test_each_outcome_has_its_words(cache, known, field):
    assert cache_status.of("e", cache, to_lua(known)) == field
