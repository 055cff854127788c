"""A rule as a sentence."""

import pytest

from domains.rule_summary import duration, rule_summary
from tests.factories import CacheConditionFactory, CacheRuleFactory

pytestmark = pytest.mark.django_db


def test_a_rule_is_told_in_a_sentence():
    rule = CacheRuleFactory(edge_ttl=3600, query_mode="none")
    CacheConditionFactory(rule=rule)

    assert rule_summary(rule) == "if path begins with /img/ → keep 1 h, ignore the query"


def test_everything_that_a_rule_says_is_in_its_sentence():
    rule = CacheRuleFactory(
        match="any",
        force=True,
        strip_cookies=True,
        slices=True,
        edge_ttl=0,
        ttl_by_status="404: 10, 500-599: 0",
        browser_ttl=60,
        stale_while_revalidate=30,
        stale_if_error=172_800,
        query_mode="only",
        query_names="a,b,c,d",
        query_sort=True,
        key_headers="accept-language",
        key_cookies="currency",
        key_device=True,
    )
    CacheConditionFactory(rule=rule, what="cookie", name="staff", values="", negate=True)
    CacheConditionFactory(rule=rule, what="header", name="x-beta", values="1")

    assert rule_summary(rule) == (
        "if not: cookie staff is there or request header x-beta = 1 → cache even what the origin forbids, "
        "without cookies, in slices, keep 0 s, keep 404 10 s, do not keep 500-599, browsers 1 min, "
        "stale 30 s while fetching anew, stale 2 days while the origin fails, "
        "of the query only a, b, c, 1 more, arguments in any order, "
        "by header accept-language, by cookie currency, by kind of device"
    )


def test_a_rule_that_says_nothing_is_told_as_well():
    assert rule_summary(CacheRuleFactory()) == "always → nothing special (later rules do not count)"
    assert rule_summary(CacheRuleFactory(bypass=True)) == "always → do not cache"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (90, "90 s"), (120, "2 min"), (7200, "2 h"), (86_400, "1 day")]
)
def test_a_duration_is_given_in_the_largest_whole_unit(seconds, text):
    assert duration(seconds) == text
