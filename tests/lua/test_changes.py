"""Entries of the stream of changes, as the subscriber judges them."""

import pytest

from tests.lua.runtime import module, to_lua, to_python

changes = module("changes")


def entry(stream_id, prev, **fields):
    stands = {"kind": "domain", "key": "a.example", "epoch": "5", "rev": "1", "op": "put", "prev": prev}
    flat = [text for pair in {**stands, **fields}.items() if pair[1] is not None for text in pair]
    return [stream_id, flat]


def test_entries_follow_one_another_from_the_last_that_was_handled():
    two = to_lua([entry("7-0", "6-1"), entry("7-1", "7-0")])
    assert changes.follow(two, "6-1")
    assert not changes.follow(two, "6-0")
    assert not changes.follow(to_lua([entry("7-0", "6-1"), entry("7-2", "7-1")]), "6-1")
    assert changes.follow(to_lua([entry("7-0", "")]), "0-0")


@pytest.mark.parametrize("spoiled", [{"key": None}, {"kind": None}, {"epoch": "x"}, {"rev": None}])
def test_an_entry_that_nobody_would_write_follows_nothing(spoiled):
    assert not changes.follow(to_lua([entry("7-0", "6-0", **spoiled)]), "6-0")


def test_the_newest_entry_of_a_document_counts():
    found = to_python(
        changes.newest(
            to_lua(
                [
                    entry("1-0", ""),
                    entry("2-0", "1-0", key="b.example"),
                    entry("3-0", "2-0", rev="3", op="gone"),
                    entry("4-0", "3-0", kind="future"),
                ]
            )
        )
    )
    assert [(each["key"], each["rev"], each["op"]) for each in found] == [
        ("b.example", 1, "put"),
        ("a.example", 3, "gone"),
    ]


@pytest.mark.parametrize(
    ("one", "other", "later"),
    [
        ("10-0", "9-5", True),
        ("9-10", "9-9", True),
        ("9-9", "9-9", False),
        ("1-0", "0-0", True),
        ("1-0", "", True),
        ("9-1", "10-0", False),
    ],
)
def test_ids_are_compared_as_numbers(one, other, later):
    assert changes.is_later(one, other) is later
