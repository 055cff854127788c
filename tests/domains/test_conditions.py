"""What an operator may type into a rule, and in which one form it is stored."""

import pytest
from django.core.exceptions import ValidationError

from domains import conditions, limits
from domains.conditions import normalize_list


@pytest.mark.parametrize(
    ("form", "typed", "stored"),
    [
        (conditions.path_prefix, "/bücher/%7e", "/b%C3%BCcher/~"),
        (conditions.path_prefix, "/.well-known", "/.well-known"),
        (conditions.path_prefix, "/.", "/."),
        (conditions.extension, ".MP4", "mp4"),
        (conditions.path_glob, "/a b/*.jpg", "/a%20b/*.jpg"),
        (conditions.path_glob, "**/v?/ü", "**/v?/%C3%BC"),
        (conditions.path_regex, r"\.(jpe?g|png)$", r"\.(jpe?g|png)$"),
        (conditions.extension, "JPG", "jpg"),
        (conditions.method, "get", "GET"),
        (conditions.country, "de", "DE"),
        (conditions.network, "192.0.2.7", "192.0.2.7/32"),
        (conditions.network, "2001:DB8::/32", "2001:db8::/32"),
        (conditions.header_name, "Accept-Language", "accept-language"),
        (conditions.argument_name, "a%5B%5D", "a[]"),
        (conditions.status_ttls, "404:10,5xx : 0", "404: 10, 500-599: 0"),
        (conditions.status_ttls, "200-299: 60\n301: 5", "200-299: 60, 301: 5"),
    ],
)
def test_a_value_has_one_form_and_keeps_it(form, typed, stored):
    assert form(typed) == stored
    assert form(stored) == stored


@pytest.mark.parametrize(
    ("form", "typed", "sentence"),
    [
        (conditions.path_prefix, "img/", "a path begins with /"),
        (conditions.path_prefix, "https://a.example/img", "without scheme and host"),
        (conditions.path_prefix, "/a?x=1", "a condition on an argument"),
        (conditions.path_prefix, "/a/../b", "can match nothing"),
        (conditions.path_prefix, "/" + "a" * limits.PATH, "longer than 512"),
        (conditions.path_glob, "img/*", "begins with / or *"),
        (conditions.path_glob, "/***", "three stars"),
        (conditions.path_glob, "/*.{jpg,png}", "has no meaning here"),
        (conditions.path_glob, "/[a-z]", "has no meaning here"),
        (conditions.path_glob, "/a?x=*", "a condition on an argument"),
        (conditions.path_regex, "(a+)+", "exponential time"),
        (conditions.extension, "tar.gz", "follows the last dot"),
        (conditions.extension, "j/g", "is no extension"),
        (conditions.method, "PURGE", "is none of GET"),
        (conditions.country, "UK", "no country code"),
        (conditions.country, "Germany", "no country code"),
        (conditions.network, "10.1.2.3/8", "the network is 10.0.0.0/8"),
        (conditions.network, "10.0.0.0/33", "no network"),
        (conditions.network, "fe80::1%eth0", "no address"),
        (conditions.network, "example.com", "no address"),
        (conditions.header_name, "Accept: x", "no name of a header"),
        (conditions.cookie_name, "a=b", "no name of a cookie"),
        (conditions.argument_name, "a=b", "what stands before the ="),
        (conditions.field_value, "a\tb", "control characters"),
        (conditions.status_ttls, "404", "404: 10"),
        (conditions.status_ttls, "600: 1", "not understood"),
        (conditions.status_ttls, "404: -1", "not understood"),
        (conditions.status_ttls, "599-500: 1", "begins behind its end"),
        (conditions.status_ttls, "200: 31536001", "a year"),
        (conditions.status_ttls, ",".join(["200: 1"] * 21), "at most 20"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(form, typed, sentence):
    with pytest.raises(ValidationError) as caught:
        form(typed)
    assert sentence in caught.value.messages[0]


def test_a_list_is_typed_with_lines_or_commas_and_keeps_each_value_once():
    assert normalize_list("JPG, png\r\n\r\n jpg ,gif", conditions.extension) == "jpg\npng\ngif"
    assert normalize_list("a, b\nc", conditions.field_value, commas=False) == "a, b\nc"
    with pytest.raises(ValidationError, match="at most 2"):
        normalize_list("a,b,c", conditions.extension, most=2)
