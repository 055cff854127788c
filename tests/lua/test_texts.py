"""What stands for patterns where every request passes (cirrus.texts), and the header that is read by it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lua.runtime import module

texts, times, rules, guards = (module(name) for name in ("texts", "times", "rules", "guards"))

PATHS = st.text(alphabet="/.ab1;-é", max_size=20).map(lambda text: "/" + text)


@given(PATHS)
def test_the_extension_of_a_path_is_what_stands_behind_its_last_dot(path: str) -> None:
    found = re.search(r"\.([^./]+)$", path)
    assert rules.extension(path) == (found[1] if found else None)
    letters = re.search(r"\.([a-z0-9]+)$", path, re.ASCII)
    assert guards.extension(path) == (letters[1] if letters else None)


@given(st.text(alphabet="abc-\0", max_size=12))
def test_a_span_ends_at_the_first_byte_that_is_not_accepted(text: str) -> None:
    assert texts.span(text, texts["class"]("[ab]")) == len(re.match("[ab]*", text)[0])  # type: ignore[index]


def test_times_come_back_as_they_were_written() -> None:
    assert times.read(times.write(1764000000, 1764000060, 1764086400, 17)) == (
        1764000000,
        1764000060,
        1764086400,
        17,
    )
    assert times.read(times.write(1764000000, None, None, None)) == (1764000000, None, 0, 0)


@pytest.mark.parametrize("text", [None, "", "1764000000", "1 2 3", "a b c d"])
def test_what_is_no_note_of_times_says_nothing_of_the_answers_age(text: str | None) -> None:
    assert times.read(text)[0] is None
