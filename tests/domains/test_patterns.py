"""Which regular expressions go to the edges."""

import re

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from domains.patterns import validate_pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "^/a$",
        r"\.(jpe?g|png)$",
        "(?i)^/img/[a-z0-9_-]+/x",
        "(ab)+",
        "(?:/[a-z]{2}){2}",
        r"^/v\d+/\w*\b[^/]",
        r"a\{1,2\}",
        "",
        r"[-a\]\\]",
        "^/(en|de|fr)/[a-z]+/[a-z0-9-]+\\.(jpe?g|png|gif|webp|avif|svg)$",
        "^/[a-z]{1,40}/x|^/y/[0-9]{1,9}$",
    ],
)
def test_plain_patterns_are_taken(pattern):
    validate_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("(a+)+", "exponential time"),
        ("(a*)*", "exponential time"),
        ("(a|b)*", "exponential time"),
        ("(a?){9}", "exponential time"),
        ("((a+)b)+", "exponential time"),
        (".*.*.*", "more than 2"),
        ("[a-z]{0,99}[a-z]{0,99}", "more than 256 ways"),
        ("a?" * 9, "more than 256 ways"),
        ("(a|b|c|d)" * 5, "more than 256 ways"),
        ("a**", "two quantifiers"),
        ("a++", "two quantifiers"),
        ("a{2}{3}", "two quantifiers"),
        ("*a", "without anything to repeat"),
        ("a{,3}", "without anything to repeat"),
        ("(a", "without a closing one"),
        ("a)", "without an opening one"),
        ("[a", "does not end"),
        ("[]a]", "is empty"),
        ("[[:alpha:]]", "not escaped"),
        ("[a&&b]", "&& in a class"),
        ("(?=a)", "group that is not plain"),
        ("(?P<a>b)", "group that is not plain"),
        ("(?<!a)b", "group that is not plain"),
        ("a(?i)b", "group that is not plain"),
        (r"(a)\1", r"the escape \1"),
        (r"a\B", r"the escape \B"),
        (r"\x41", r"the escape \x"),
        ("a\\", "the escape"),
        ("ü", "cannot stand in a path"),
        ("a{3,2}", "a mistake"),
        ("[z-a]", "a mistake"),
    ],
)
def test_others_are_refused_with_the_reason(pattern, sentence):
    with pytest.raises(ValidationError) as caught:
        validate_pattern(pattern)
    assert sentence in caught.value.messages[0]


@given(pattern=st.text(r"ab.*+?{}2,()|[]^$\dwi:-&", max_size=12))
def test_what_is_taken_compiles_and_nothing_fails_otherwise(pattern):
    try:
        validate_pattern(pattern)
    except ValidationError:
        return
    re.compile(pattern)
