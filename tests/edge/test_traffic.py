"""A domain's traffic, read from what the edges have written: summed, and never believed to have a form."""

import json

import pytest

from edge import keyspace as names
from edge.traffic import DAY, Traffic, read_traffic

NOW = 1_800_000_030.0
MINUTE = 30_000_000


def write(keyspace, said, *, node="edge-1", ago=0, host="a.example"):
    text = said if isinstance(said, str) else json.dumps(said)
    keyspace.client.hset(names.stats_key(node, MINUTE - ago), host, text)


def read(minutes=60, nodes=("edge-1", "edge-2")):
    return read_traffic(host="a.example", nodes=nodes, minutes=minutes, now=NOW)


def test_edges_and_minutes_are_summed_and_nobody_elses(keyspace):
    write(keyspace, {"requests": 3, "bytes": 10, "hit": 2, "2xx": 3, "paths": [["/a", 3]]})
    write(keyspace, {"requests": 4, "bytes": 20, "stale": 1, "5xx": 1, "paths": [["/b", 9]]}, node="edge-2")
    write(keyspace, {"requests": 5, "origin_requests": 4, "origin_ms": 500, "paths": [["/a", 7]]}, ago=59)
    write(keyspace, {"requests": 100}, ago=60)
    write(keyspace, {"requests": 100}, node="edge-3")
    write(keyspace, {"requests": 100}, host="b.example")

    report = read()

    assert (report.failure, report.first_minute) == ("", MINUTE - 59)
    assert (report.requests[0], report.requests[-1], sum(report.requests)) == (5, 7, 12)
    total = report.total
    assert (total.requests, total.bytes, total.hit_ratio, total.origin_seconds) == (12, 30, 0.25, 0.125)
    assert (total.classes["2xx"], total.classes["5xx"]) == (3, 1)
    assert total.top_paths == [("/a", 10), ("/b", 9)]


def test_a_day_of_many_edges_is_read_whole(keyspace):
    nodes = [f"edge-{n}" for n in range(3)]
    for node in nodes:
        for ago in (0, 700, DAY - 1):
            write(keyspace, {"requests": 1}, node=node, ago=ago)
    report = read(DAY, nodes)
    assert (report.requests[0], report.requests[-1], report.total.requests) == (3, 3, 9)


@pytest.mark.parametrize(
    "said",
    [
        *("", "{", "[]", "null", "7", '{"requests": null}', '{"requests": 1e999}', '{"requests": "5"}'),
        *('{"requests": -1}', '{"paths": 5}', '{"paths": [5, ["/a"], [1, 2], ["/a", {}]]}', '{"bytes": NaN}'),
    ],
)
def test_what_has_no_sense_counts_as_nothing(keyspace, said):
    write(keyspace, said)
    write(keyspace, {"requests": 1}, node="edge-2")
    report = read()
    assert (report.failure, report.total.requests, report.total.bytes) == ("", 1, 0)


def test_bytes_that_are_no_text_are_a_failure_with_a_sentence_and_the_next_read_works(keyspace):
    keyspace.client.hset(names.stats_key("edge-1", MINUTE), "a.example", b"\xff\xfe")
    assert read().failure == "what an edge has counted cannot be read"
    keyspace.client.delete(names.stats_key("edge-1", MINUTE))
    assert read().failure == ""


def test_redis_that_is_away_is_a_failure_and_no_traffic_of_zero(keyspace):
    keyspace.stop()
    assert read().failure == "Redis cannot be reached"


def test_nothing_has_no_ratio():
    assert (Traffic().hit_ratio, Traffic().origin_seconds, Traffic().top_paths) == (None, None, [])
