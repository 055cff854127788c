"""Host names are stored in one form only."""

import pytest
from django.core.exceptions import ValidationError

from domains.hostnames import (
    covering_wildcards,
    display_hostname,
    normalize_hostname,
    searched_hostname,
)


def test_a_unicode_name_is_stored_as_an_a_label_and_shown_as_typed():
    assert normalize_hostname("Bücher.Example.") == "xn--bcher-kva.example"
    assert display_hostname("*.xn--bcher-kva.example") == "*.bücher.example"


@pytest.mark.parametrize(
    "bad", ["", "*.com", "a.*.com", "http://a.b", "a.b:80", "192.0.2.1", "::1", "a_b.c", "a.1", "a" * 64]
)
def test_what_is_not_a_host_name_is_refused_with_a_sentence(bad):
    with pytest.raises(ValidationError) as caught:
        normalize_hostname(bad, wildcard=True)
    assert len(caught.value.messages[0]) > 15


def test_the_nearest_wildcard_comes_first():
    assert covering_wildcards("a.b.c") == ["*.b.c", "*.c"]


def test_a_search_finds_a_unicode_name_and_leaves_other_words_alone():
    assert searched_hostname("Bücher.example") == "xn--bcher-kva.example"
    assert searched_hostname("two words") == "two words"
