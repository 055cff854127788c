"""Which names a certificate serves."""

from hypothesis import given
from hypothesis import strategies as st

from certificates.issuance.names import ordered_names
from certificates.renewal.names import covers, missing

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


@given(names)
def test_what_is_ordered_for_some_names_lacks_none_of_them(wanted):
    assert missing(ordered_names(min(wanted), wanted), wanted) == []
