"""Which names a certificate must have."""

from hypothesis import given
from hypothesis import strategies as st

from certificates.renewal.names import covers, missing, to_order

names = st.sets(
    st.sampled_from(
        ["a.test", "www.a.test", "*.a.test", "x.www.a.test", "*.www.a.test", "b.test", "*.b.test"]
    ),
    min_size=1,
)


def test_a_wildcard_serves_one_label():
    assert covers({"*.a.test"}, "www.a.test")
    assert not covers({"*.a.test"}, "a.test")
    assert not covers({"*.a.test"}, "x.www.a.test")
    assert not covers({"*.a.test"}, "*.www.a.test")


def test_what_is_missing_is_named():
    assert missing(["a.test", "*.a.test"], ["www.a.test", "b.test", "a.test"]) == ["b.test"]


def test_no_name_is_ordered_that_a_wildcard_serves():
    assert to_order(["www.a.test", "*.a.test", "a.test"], first="a.test") == ["a.test", "*.a.test"]
    assert to_order(["b.test", "a.test"], first="b.test") == ["b.test", "a.test"]


@given(names)
def test_what_is_ordered_serves_every_name_and_nothing_twice(wanted):
    ordered = to_order(wanted, first="a.test")

    assert missing(ordered, wanted) == []
    assert len(set(ordered)) == len(ordered)
    assert all(not covers(set(ordered) - {name}, name) for name in ordered)
