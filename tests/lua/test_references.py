"""Which URL of the same host a Location means."""

import pytest

from tests.lua.runtime import module

references = module("references")


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("/c", "/c"),
        ("/c?y=1#part", "/c?y=1"),
        ("c", "/a/c"),
        ("../c", "/a/../c"),  # dot segments are removed where every URL is normalized
        ("?z", "/a/b?z"),
        ("#part", "/a/b"),
        ("http://www.example.com/c", "/c"),
        ("HTTPS://WWW.Example.com:8443/c", "/c"),
        ("//www.example.com", "/"),
        ("http://www.example.com?y", "/?y"),
        ("http://user@www.example.com/c", "/c"),
        ("http://another.example/c", None),
        ("http://www.example.com@another.example/c", None),
        ("//another.example/c", None),
        ("mailto:somebody@www.example.com", None),
        ("", None),
        (None, None),
    ],
)
def test_a_reference_means_a_url_of_this_host_or_none(reference, path):
    assert references.path("www.example.com", "/a/b?x=1", reference) == path
