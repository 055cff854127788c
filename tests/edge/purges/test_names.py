"""What may be asked to be purged, and in which form it is kept."""

import pytest
from django.core.exceptions import ValidationError

from edge.purges.names import parse_prefix, parse_tag, parse_url, url_target
from edge.purges.table import LONGEST_NAME


@pytest.mark.parametrize(
    ("text", "host", "name"),
    [
        ("/a", "", "/a"),
        (" /a/%7eb?x=%41#top ", "", "/a/~b?x=A"),
        ("/a?", "", "/a"),
        ("//a", "", "//a"),
        ("https://www.example.com", "www.example.com", "/"),
        ("HTTPS://WWW.Example.com:8443/a b?q", "www.example.com", "/a%20b?q"),
        ("http://www.example.com?x=1", "www.example.com", "/?x=1"),
        ("https://bücher.example/straße", "xn--bcher-kva.example", "/stra%C3%9Fe"),
        ("www.example.com/a/../b", "www.example.com", "/b"),
        ("https://www.example.com/a://b", "www.example.com", "/a://b"),
    ],
)
def test_a_url_is_taken_apart_and_normalized(text, host, name):
    assert parse_url(text) == (host, name)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "An empty line"),
        ("ftp://www.example.com/a", "http and https only"),
        ("https:///a", "has no host name"),
        ("https://192.0.2.1/a", "has no host name"),
        ("https://www.example.com:port/", "is not a URL"),
        ("index.html", "neither a path"),
        ("/img/*", "Purge the prefix /img/ instead"),
        ("https://www.example.com/img/*", "Purge the prefix /img/ instead"),
    ],
)
def test_what_is_no_url_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(ValidationError, match=sentence):
        parse_url(text)


def test_a_prefix_is_normalized_like_a_path():
    assert parse_prefix("/img/%7ea/../b") == "/img/b"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("img/", "begins with /"), ("/a?x", "has no query"), ("/img/*", "leave the star out"), ("", "begins")],
)
def test_what_is_no_prefix_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(ValidationError, match=sentence):
        parse_prefix(text)


def test_a_tag_is_kept_in_lower_case():
    assert parse_tag(" Product-17:A ") == "product-17:a"


@pytest.mark.parametrize("text", ["", "a b", "a,b", "ä", "a\x7f", "x" * 256])
def test_what_is_no_tag_is_refused(text):
    with pytest.raises(ValidationError):
        parse_tag(text)
    assert parse_tag("x" * 255)


def test_a_query_is_widened_where_queries_are_changed_or_names_too_long():
    assert url_target("/a?x=1", all_variants=False) == ("url", "/a?x=1")
    assert url_target("/a?x=1", all_variants=True) == ("url", "/a")
    assert url_target("/a?" + "x" * LONGEST_NAME, all_variants=False) == ("url", "/a")
    assert url_target("/d/" + "x" * LONGEST_NAME, all_variants=False) == ("prefix", "/d/")
