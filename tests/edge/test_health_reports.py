"""What vantage points have found, in Redis: written, read again, and read where it is nonsense."""

import json

import pytest

from edge import keyspace as names
from edge.health.reports import Known, decode, encode, read_known, write_asked, write_reports
from nodes.health.damping import Damping, Verdict
from nodes.health.votes import Report

REPORT = Report(
    at=1_763_971_200.125,
    ok=False,
    damping=Damping(Verdict.DOWN, fails=3, streak=0),
    trial=2,
    why="it says: no <disk>",
    status=503,
    ms=12.5,
    view={"problems": ["no disk"]},
)


def test_a_report_is_read_as_it_was_written():
    assert decode(encode(REPORT)) == REPORT
    assert tuple(json.loads(encode(REPORT))) == names.HEALTH_FIELDS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "{",
        encode(REPORT).replace('"down"', '"sideways"'),
        encode(REPORT).replace('"at"', '"when"'),
        encode(REPORT).replace("12.5", "null"),
        "[" * 100_000,
    ],
)
def test_what_is_no_report_is_none(text):
    assert decode(text) is None


def test_reports_of_several_vantage_points_stand_beside_each_other_and_expire(keyspace):
    write_reports("a", {"edge-1": REPORT})
    write_reports("b", {"edge-1": REPORT, "edge-2": REPORT})
    keyspace.client.hset(names.health_key("edge-2"), "c", "nonsense")
    known = read_known(["edge-1", "edge-2", "edge-3"])

    assert known.of("edge-1") == {"a": REPORT, "b": REPORT}
    assert known.of("edge-2") == {"b": REPORT}
    assert known.of("edge-3") == {}
    assert 0 < keyspace.client.ttl(names.health_key("edge-1")) <= 3600


def test_who_is_asked_in_vain_is_silent_from_the_first_asking_on(keyspace):
    write_asked(["a", "b"])
    first = read_known([])
    write_asked(["a", "b"])
    write_reports("b", {})
    second = read_known([])

    assert set(first.asked) == {"a", "b"}
    assert second.asked == {"a": first.asked["a"]}
    later = Known(now=second.now + 16, asked=second.asked)
    assert (second.silent(interval=5), later.silent(interval=5)) == (set(), {"a"})
    assert 0 < keyspace.client.ttl(names.HEALTH_ASKED) <= 900


def test_with_redis_down_nothing_is_known_and_that_is_said(keyspace):
    keyspace.stop()
    assert read_known(["edge-1"]) == Known(failure="Redis cannot be reached")
