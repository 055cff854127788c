"""What a worker counts of its requests, and what it forgets when it is drained."""

import pytest

from tests.lua.runtime import lua, module, to_python


@pytest.fixture
def tally():
    lua.execute('package.loaded["cirrus.tally"] = nil')
    return module("tally")


def drained(tally):
    return to_python(tally.drain())


def test_requests_of_one_kind_share_a_cell(tally):
    tally.request("a.example", "HIT", 200, 0.001, 100)
    tally.request("a.example", "HIT", 200, 0.002, 50)
    tally.request("a.example", "MISS", 200, 20, 1)
    hit, miss = drained(tally)["cells"]
    assert (hit["host"], hit["cache"], hit["status"]) == ("a.example", "HIT", 200)
    assert [hit[i] for i in (1, 2, 3)] == [2, 150, pytest.approx(0.003)]
    assert (miss["cache"], miss[1], miss[16]) == ("MISS", 1, 1)


def test_each_duration_falls_into_the_first_bucket_that_is_not_smaller(tally):
    limits = to_python(tally.LIMITS)
    for limit in limits:
        tally.request("a.example", "HIT", 200, limit, 0)
        tally.request("a.example", "HIT", 200, limit + 0.0001, 0)
    [cell] = drained(tally)["cells"]
    assert [cell[i] for i in range(4, 17)] == [1, *[2] * (len(limits) - 1), 1]


def test_what_was_drained_is_not_drained_again_and_the_cell_goes_on(tally):
    tally.request("a.example", "HIT", 200, 0, 1)
    first = tally.drain()
    tally.request("a.example", "HIT", 200, 0, 1)
    assert to_python(first)["cells"][0][1] == 1
    assert [cell[1] for cell in drained(tally)["cells"]] == [1]
    assert drained(tally)["cells"] == {} or drained(tally)["cells"] == []


def test_twice_as_many_kinds_as_are_remembered_lose_nothing(tally):
    kinds = 2 * 8192
    for number in range(kinds):
        tally.request(f"{number}.example", "HIT", 200, 0, 1)
    for number in range(kinds):
        tally.request(f"{number}.example", "HIT", 200, 0, 1)
    cells = drained(tally)["cells"]
    assert sum(cell[1] for cell in cells) == 2 * kinds


def test_paths_are_all_noted_at_first_and_then_a_sample_that_weighs_as_much(tally):
    asked = 40_000
    for _ in range(asked):
        if tally.wants_path():
            tally.path("a.example", "/x")
    notes = drained(tally)["paths"]
    weights = notes[2::3]
    assert weights[:256] == [1] * 256
    assert set(weights[256:]) == {16}
    assert len(weights) < asked / 10
    assert abs(sum(weights) / asked - 1) < 0.1


def test_the_notes_of_a_flush_are_bounded(tally):
    for _ in range(8192 * 16 * 2):
        if tally.wants_path():
            tally.path("a.example", "/x")
    assert len(drained(tally)["paths"]) == 3 * 8192


def test_the_answers_of_origins_are_summed_by_domain(tally):
    tally.origin("a.example", 0.5)
    tally.origin("a.example", 0.25)
    assert drained(tally)["origins"] == {"a.example": [2, 0.75]}
