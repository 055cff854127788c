"""Headers for one connection alone."""

import pytest

from tests.lua.runtime import lua, module, to_python

hops = module("hops")


@pytest.mark.parametrize(
    ("connection", "names"),
    [
        (None, []),
        ("keep-alive", []),
        ("Close, Upgrade", []),
        ("close, X-Trace,A", ["X-Trace", "A"]),
        ("Host, Content-Length, transfer-encoding, TE", []),
    ],
)
def test_a_connection_header_names_what_goes_no_further(connection, names):
    assert (to_python(hops.listed(connection)) or []) == names


def test_what_is_named_is_taken_off():
    header = lua.table_from({"X-Trace": "1", "A": "2", "B": "3"})
    hops.strip(header, "X-Trace, A")
    assert dict(header) == {"B": "3"}
