"""One spelling for each URL, on both sides of the contract."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domains.urls import normalize
from tests.lua.runtime import module

urls = module("urls")

SPELLINGS = [
    ("/", ("/", None)),
    ("", ("/", None)),
    ("?x", ("/", "x")),
    ("/?", ("/", None)),
    ("/a?b?c=/../d", ("/a", "b?c=/../d")),
    ("/%7Eu/%41%2d%2E%5f", ("/~u/A-._", None)),
    ("/a%2fb%c3%bc", ("/a%2Fb%C3%BC", None)),
    ("/ü", ("/%C3%BC", None)),
    ("/100%", ("/100%25", None)),
    ("/%zz%4", ("/%25zz%254", None)),
    ("/%%41%2541", ("/%25A%2541", None)),
    ("/%4%31", ("/%2541", None)),
    ('/a b"<>\\^`{|}\x7f\t', ("/a%20b%22%3C%3E%5C%5E%60%7B%7C%7D%7F%09", None)),
    ("/a?q=a b&r=%7e%zz", ("/a", "q=a%20b&r=~%25zz")),
    ("/a/./b/../c", ("/a/c", None)),
    ("/a/%2e%2E/c/%2e", ("/c/", None)),
    ("/../../a/..", ("/", None)),
    ("/..", ("/", None)),
    ("/a//b//../c", ("/a//b/c", None)),
    ("/..//a", ("//a", None)),
    ("/.a/..b/...", ("/.a/..b/...", None)),
    ("/a#b?c", ("/a", None)),
    ("/a?b#c", ("/a", "b")),
    ("/a?#", ("/a", None)),
    ("/;a=1,(b)*!'@:&=+$[]", ("/;a=1,(b)*!'@:&=+$[]", None)),
    ("a", ("/a", None)),
    ("./..", ("/", None)),
]


@pytest.mark.parametrize(("target", "expected"), SPELLINGS)
def test_a_url_has_one_spelling(target, expected):
    assert normalize(target) == expected
    assert urls.normalize(target) == expected or (urls.normalize(target), None) == expected


targets = st.one_of(
    st.lists(
        st.sampled_from(
            [*"/.%#?&=aZ09~+ é\\", "/.", "/..", "%2e", "%2F", "%7e", "%4", "%zz", "%C3", "%00", "%25"]
        )
    ).map(lambda parts: "/" + "".join(parts)),
    st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)


def by_the_edge(target: str) -> tuple[str, str | None]:
    result = urls.normalize(target.encode("utf-8", "surrogateescape"))
    return result if isinstance(result, tuple) else (result, None)


@given(target=targets)
@example(target="/%2e%2e/%252e%252e/")
def test_both_sides_agree_and_a_normal_url_is_normal(target):
    path, query = normalize(target)

    assert by_the_edge(target) == (path, query)
    assert path.startswith("/")
    assert not {".", ".."} & set(path.split("/"))
    assert "#" not in path + (query or "")
    assert (path + (query or "")).isascii()
    assert query != ""
    assert normalize(path if query is None else f"{path}?{query}") == (path, query)
