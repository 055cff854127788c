"""Both sides know the same wildcards."""

from hypothesis import given
from hypothesis import strategies as st

from domains.hostnames import covering_wildcards
from tests.lua.runtime import module, to_python

labels = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?\Z")


@given(name=st.lists(labels, min_size=1, max_size=6).map(".".join))
def test_the_wildcards_of_a_host_are_those_that_the_control_plane_knows(name):
    assert (to_python(module("hosts").wildcards(name)) or []) == covering_wildcards(name)
