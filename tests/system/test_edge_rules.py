"""Cache rules from the database to what a client gets from a real edge."""

import pytest

from domains.models import Domain
from edge.models import Publication
from tests.factories import CacheConditionFactory, CacheRuleFactory, DomainFactory
from tests.servers import OriginAnswer, eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

MOBILE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Mobile/15E148 Safari/604.1"


@pytest.fixture
def domain(edge, origin):
    origin.answer = lambda request: OriginAnswer(body=b"x", headers=(("Cache-Control", "max-age=60"),))
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    return domain


@pytest.fixture
def ruled(edge, domain):
    """`ruled(…)`: a rule with its conditions, once the edge has it."""

    def make(*conditions: dict[str, str], **actions) -> None:
        rule = CacheRuleFactory(domain=domain, **actions)
        for condition in conditions:
            CacheConditionFactory(rule=rule, **condition)
        rev = newest_revision(domain)
        eventually(lambda: edge.health()["rev"] >= rev)

    return make


def newest_revision(domain: Domain) -> int:
    return Publication.objects.get(kind="domain", object_id=domain.pk).rev


def seen(edge, domain, path, **options):
    return edge.get(domain.host, path, **options).headers["X-Cache"]


def test_the_query_can_be_ignored_in_part_and_the_origin_gets_it_all(edge, origin, domain, ruled):
    ruled({"values": "/img/"}, query_mode="except", query_names="utm_source", query_sort=True)

    assert seen(edge, domain, "/img/a?b=2&a=1&utm_source=x") == "MISS"
    assert seen(edge, domain, "/img/a?a=1&utm_source=y&b=2") == "HIT"
    assert seen(edge, domain, "/img/a?a=2&b=2") == "MISS"
    assert origin.requests[-2].path == "/img/a?b=2&a=1&utm_source=x"
    assert seen(edge, domain, "/other?b=2&a=1") == "MISS"
    assert seen(edge, domain, "/other?a=1&b=2") == "MISS"


def test_the_first_rule_that_fits_is_the_only_one_that_counts(edge, domain, ruled):
    ruled({"values": "/img/private/"}, position=1, bypass=True)
    ruled({"values": "/img/"}, position=2, query_mode="none")

    assert [seen(edge, domain, "/img/private/a") for _ in range(2)] == ["BYPASS", "BYPASS"]
    assert [seen(edge, domain, path) for path in ("/img/a?1", "/img/a?2")] == ["MISS", "HIT"]


@pytest.mark.parametrize(
    ("condition", "inside", "outside"),
    [
        ({"what": "regex", "values": r"(?i)\.(jpe?g|png)$"}, "/a.JPG", "/a.jpgx"),
        ({"what": "regex", "values": r"^/v\d{1,2}/\w+$"}, "/v12/abc", "/v123/abc"),
        ({"what": "glob", "values": "/a/*/c?"}, "/a/b/cd", "/a/b/b/cd"),
        ({"what": "glob", "values": "/a/**/ü"}, "/a/b/c/%C3%BC", "/a/b/u"),
        ({"what": "extension", "values": "jpg"}, "/x.y/a.JPG", "/x.jpg/a"),
        ({"what": "query", "name": "a[]", "values": "x y"}, "/q?a%5B%5D=x%20y", "/q?a[]=x"),
        ({"what": "prefix", "values": "/a", "negate": True}, "/b", "/a%62"),
        ({"what": "network", "values": "10.0.0.0/8", "negate": True}, "/n", None),
        ({"what": "network", "values": "127.0.0.0/8"}, "/n", None),
    ],
)
def test_conditions_hold_where_they_should(edge, domain, ruled, condition, inside, outside):
    ruled(condition, bypass=True)

    assert seen(edge, domain, inside) == "BYPASS"
    if outside:
        assert seen(edge, domain, outside) == "MISS"


@pytest.mark.parametrize(
    ("condition", "headers"),
    [
        ({"what": "header", "name": "X-Beta", "values": ""}, {"x-beta": "0"}),
        ({"what": "header", "name": "X-Beta", "values": "1"}, {"x-beta": "1"}),
        ({"what": "cookie", "name": "staff", "values": "yes"}, {"cookie": "a=b; staff=yes"}),
    ],
)
def test_conditions_about_headers_and_cookies_hold_for_those_who_send_them(
    edge, domain, ruled, condition, headers
):
    ruled(condition, bypass=True)

    assert seen(edge, domain, "/who") == "MISS"
    assert seen(edge, domain, "/who", headers=headers) == "BYPASS"
    assert seen(edge, domain, "/who", headers={"x-beta": ""} if not condition["values"] else {}) != "MISS"
    assert seen(edge, domain, "/who") == "HIT"


def test_there_is_an_object_for_each_value_of_what_the_key_has(edge, domain, ruled):
    ruled(key_headers="accept-language", key_cookies="currency", key_device=True)
    kinds = [
        {},
        {"accept-language": "de"},
        {"cookie": "currency=EUR"},
        {"user-agent": MOBILE},
        {"accept-language": "de", "cookie": "currency=EUR", "user-agent": MOBILE},
    ]

    assert [seen(edge, domain, "/key", headers=kind) for kind in kinds] == ["MISS"] * len(kinds)
    assert [seen(edge, domain, "/key", headers=kind) for kind in kinds] == ["HIT"] * len(kinds)
    assert seen(edge, domain, "/key", headers={"cookie": "currency=EUR; other=1"}) == "HIT"


def test_cookies_are_stripped_both_ways_and_the_answer_is_kept(edge, origin, domain, ruled):
    origin.answer = lambda request: OriginAnswer(headers=(("Set-Cookie", "session=1"),))
    ruled({"values": "/img/"}, strip_cookies=True)

    first, second = (edge.get(domain.host, "/img/a", headers={"cookie": "session=2"}) for _ in range(2))
    assert [answer.headers["X-Cache"] for answer in (first, second)] == ["MISS", "HIT"]
    assert "Set-Cookie" not in first.headers
    assert "Set-Cookie" not in second.headers
    assert "Cookie" not in origin.requests[-1].headers


def test_lifetimes_by_rule_go_before_those_of_the_origin(edge, origin, domain, ruled):
    origin.answer = lambda request: OriginAnswer(
        status=404 if "missing" in request.path else 200, headers=(("Cache-Control", "no-store"),)
    )
    ruled({"values": "/forced/"}, force=True, edge_ttl=60, browser_ttl=5, ttl_by_status="404: 30", position=1)
    ruled({"values": "/polite/"}, edge_ttl=60, ttl_by_status="404: 30", position=2)

    for path in ("/forced/a", "/forced/missing"):
        assert [seen(edge, domain, path) for _ in range(2)] == ["MISS", "HIT"]
    assert edge.get(domain.host, "/forced/a").headers["Cache-Control"] == "max-age=5"
    for path in ("/polite/a", "/polite/missing"):
        assert [seen(edge, domain, path) for _ in range(2)] == ["MISS", "BYPASS"]


def test_a_rule_that_is_disabled_is_as_if_it_were_not_there(edge, domain, ruled):
    ruled(bypass=True, enabled=False)

    assert [seen(edge, domain, "/a") for _ in range(2)] == ["MISS", "HIT"]
