"""A minute of a domain: what is added up, and that nothing is lost on its ways."""

from tests.lua.runtime import lua, module, to_lua, to_python

rollup = module("rollup")


def a_minute():
    record = rollup.new()
    rollup.request(record, "HIT", 200, 5, 5120)
    rollup.request(record, "UPDATING", 304, 1, 100)
    rollup.request(record, "EXPIRED", 404, 2, 80)
    rollup.request(record, "BYPASS", 502, 3, 2**40)
    rollup.request(record, "NONE", 600, 1, 0)
    rollup.origin(record, 2, 0.25)
    rollup.path(record, "/a?b=1", 4)
    rollup.path(record, "/b", 1)
    return record


def test_a_request_counts_by_cache_and_by_class():
    assert to_python(rollup.document(a_minute())) == {
        **{"requests": 12, "bytes": 5300 + 2**40, "hit": 5, "stale": 1, "miss": 2, "bypass": 3},
        **{"1xx": 0, "2xx": 5, "3xx": 1, "4xx": 2, "5xx": 3, "origin_requests": 2, "origin_ms": 250},
        "paths": [["/a", 4], ["/b", 1]],
    }


def test_packed_records_add_up_by_host():
    into = lua.table()
    for host in ("a.example", "b.example", "a.example"):
        rollup.unpack(rollup.pack(host, a_minute()), into)
    one, twice = (to_python(rollup.document(into[host])) for host in ("b.example", "a.example"))
    assert one == to_python(rollup.document(a_minute()))
    assert (twice["requests"], twice["bytes"], twice["paths"][0]) == (24, 2 * one["bytes"], ["/a", 8])


def test_a_document_that_was_written_before_is_read_again():
    document = to_python(rollup.document(a_minute()))
    again = rollup.document(rollup.of_document(to_lua(document)))
    assert to_python(again) == document


def test_a_document_without_sense_counts_as_nothing():
    strange = to_lua({"requests": "many", "bytes": -5, "paths": [["/a"], "x", [1, 2]]})
    record = to_python(rollup.document(rollup.of_document(strange)))
    assert record["requests"] == record["bytes"] == 0
    assert "paths" not in record


def test_a_path_leaves_as_short_printable_text_without_its_query():
    record = rollup.new()
    rollup.path(record, b"/\xff\x01 \n?q", 1)
    rollup.path(record, "/" + "x" * 300, 1)
    rollup.path(record, "/" + "x" * 200, 1)
    first, second = to_python(rollup.document(record))["paths"]
    assert first == ["/" + "x" * 99 + "…", 2]
    assert second == ["/%FF%01%20%0A", 1]
