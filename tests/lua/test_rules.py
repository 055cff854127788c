"""Cache rules on the edge: which one matches, the key, and what becomes of an answer, against an oracle."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lua import oracle
from tests.lua.oracle import Request
from tests.lua.runtime import lua, module, to_lua, to_python

rules, cache_key, devices, globs = (module(name) for name in ("rules", "cache_key", "devices", "globs"))
freshness = module("freshness")


def regex(pattern: str) -> Any:
    """`tools.regex` with Python's own engine."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        return None, str(error)
    return lambda subject: compiled.search(subject) is not None


TOOLS = lua.table_from({"regex": regex, "networks": module("networks")})


def compiled(*documents: dict[str, Any]) -> Any:
    return rules.compile(to_lua(list(documents)), TOOLS)


def rule(*when: dict[str, Any], match: str = "all", act: dict[str, Any] | None = None, pk: int = 1) -> Any:
    return {"id": pk, "name": f"Rule {pk}", "match": match, "when": list(when), "then": act or {}}


def as_lua(request: Request) -> Any:
    return lua.table_from(
        {
            "path": request.path,
            "query": request.query,
            "method": request.method,
            "header": request.headers.get,
            "cookie": request.cookies.get,
            "country": request.country,
            "address": request.address,
            "user_agent": request.headers.get("user-agent"),
        }
    )


def maybe(act: dict[str, Any] | None) -> Any:
    return None if act is None else to_lua(act)


def matched(list_: Any, request: Request) -> int | None:
    found = rules.match(list_, as_lua(request))
    return found["id"] if found else None


# A small world, so that conditions hold often.
PATHS = ["/", "/a", "/img/a.jpg", "/img/b/c.PNG", "/img/", "/.x", "/a.b/c", "/a.tar.gz", "/imgs"]
NAMES, WORDS = ["x", "y", "a[]", "x-z"], ["", "1", "de", "a b", "ü"]
texts = st.sampled_from(WORDS)
glob_texts = st.lists(st.sampled_from(["*", "**", "?", "/", "a", "b", "img", ".jpg", "."]), max_size=6).map(
    lambda parts: "/" + "".join(parts)
)
regex_texts = st.sampled_from([r"\.(jpg|png)$", "^/img/", "b", "^/a$", r"/[a-c]\.", "(?i)png"])


def some(values: Any, low: int = 1) -> Any:
    return st.lists(values, min_size=low, max_size=3)


def condition(what: str, values: Any, **fixed: Any) -> Any:
    fields = {"what": st.just(what), "values": values, **fixed}
    return st.fixed_dictionaries(fields, optional={"negate": st.booleans()})


conditions = st.one_of(
    condition("path", some(st.sampled_from(["/", "/img", "/img/", "/a"])), how=st.just("prefix")),
    condition("path", some(glob_texts), how=st.just("glob")),
    condition("path", some(regex_texts), how=st.just("regex")),
    condition("extension", some(st.sampled_from(["jpg", "png", "gz", "x"]))),
    condition("method", some(st.sampled_from(["GET", "HEAD", "POST"]))),
    *(condition(what, some(texts, 0), name=st.sampled_from(NAMES)) for what in ("query", "header", "cookie")),
    condition("country", some(st.sampled_from(["DE", "FR", "US"]))),
    condition("network", some(st.sampled_from(["10.0.0.0/8", "10.1.2.0/24", "2001:db8::/32", "0.0.0.0/0"]))),
)

seconds = st.sampled_from([0, 1, 5, 59, 600, 86_400, 2_592_000, 31_536_000])
ranges = st.tuples(st.sampled_from([200, 300, 301, 404, 500]), st.sampled_from([0, 4, 99]), seconds).map(
    lambda parts: {"from": parts[0], "to": min(parts[0] + parts[1], 599), "ttl": parts[2]}
)
actions = st.fixed_dictionaries(
    {},
    optional={
        "bypass": st.booleans(),
        "force": st.booleans(),
        "edge_ttl": seconds,
        "ttl_by_status": some(ranges),
        "browser_ttl": seconds,
        "stale_while_revalidate": seconds,
        "stale_if_error": seconds,
        "strip_cookies": st.booleans(),
        "query": st.fixed_dictionaries(
            {"mode": st.sampled_from(["all", "none", "only", "except"])},
            optional={"names": some(st.sampled_from(NAMES), 0), "sort": st.booleans()},
        ),
        "key_headers": some(st.sampled_from(NAMES)),
        "key_cookies": some(st.sampled_from(NAMES)),
        "key_device": st.booleans(),
    },
)
rule_lists = st.lists(
    st.tuples(st.lists(conditions, max_size=3), st.sampled_from(["all", "any"]), actions), max_size=4
).map(lambda parts: [rule(*w, match=m, act=a, pk=i) for i, (w, m, a) in enumerate(parts, 1)])

argument = st.tuples(
    st.sampled_from(["x", "y", "a[]", "a%5B%5D", "%78", "", "z"]),
    st.sampled_from(["", "=", "=1", "=de", "=a%20b", "=%C3%BC", "==", "=a=b"]),
).map("".join)
queries = st.none() | st.lists(argument, min_size=1, max_size=4).map("&".join).filter(bool)
fields = st.dictionaries(st.sampled_from(NAMES), texts, max_size=3)
agents = st.sampled_from(
    ["", "Mozilla/5.0 (iPhone) Mobile", "Mozilla/5.0 (Linux; Android 14) Safari", "curl/8"]
)
requests = st.builds(
    Request,
    path=st.sampled_from(PATHS),
    query=queries,
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    headers=st.builds(lambda found, agent: {**found, "user-agent": agent}, fields, agents),
    cookies=fields,
    country=st.sampled_from([None, "DE", "FR"]),
    address=st.sampled_from([None, "10.1.2.3", "192.0.2.1", "2001:db8::1"]),
)


@settings(max_examples=400)
@given(documents=rule_lists, request=requests)
def test_the_edge_finds_the_rule_and_the_key_that_the_oracle_finds(documents, request):
    list_ = compiled(*documents)
    expected = oracle.first_match(documents, request)
    assert matched(list_, request) == (expected and expected["id"])
    act = expected and expected["then"]
    assert cache_key.of(as_lua(request), maybe(act)) == oracle.spelled(oracle.key(request, act))


@settings(max_examples=400)
@given(act=actions, one=requests, other=requests)
def test_two_requests_share_a_key_only_where_the_rule_says_that_they_are_alike(act, one, other):
    keys = [cache_key.of(as_lua(request), to_lua(act)) for request in (one, other)]
    alike = oracle.key(one, act) == oracle.key(other, act)
    assert (keys[0] == keys[1]) == alike


@settings(max_examples=400)
@given(documents=rule_lists, one=requests, other=requests)
def test_what_a_match_and_a_key_depend_on_is_in_the_inputs(documents, one, other):
    """A request that has the URL and the inputs of another one gets its rule and its key."""
    list_ = compiled(*documents)
    inputs = to_python(list_.inputs) or []
    inputs = list(inputs.values()) if isinstance(inputs, dict) else inputs
    assert len({str(sorted(found.items())) for found in inputs}) == len(inputs)
    mixed = Request(other.path, other.query, other.method, dict(other.headers), dict(other.cookies))
    mixed.country, mixed.address = other.country, other.address
    mixed.path, mixed.query = one.path, one.query
    for found in inputs:
        what, name = found["what"], found.get("name")
        if what in ("header", "cookie"):
            there, here = (getattr(mixed, f"{what}s"), getattr(one, f"{what}s"))
            there.pop(name, None)
            there.update({name: here[name]} if name in here else {})
        elif what == "device":
            mixed.headers["user-agent"] = one.headers["user-agent"]
        else:
            setattr(mixed, what, getattr(one, what))

    def outcome(request):
        found = rules.match(list_, as_lua(request))
        return cache_key.of(as_lua(request), found and found["then"]), found and found["id"]

    assert outcome(mixed) == outcome(one)


# Most things are allowed here, and most rules say something, so that most answers are kept.
seldom = st.sampled_from([False, False, False, False, False, True])
often = st.sampled_from([0, 5, 59, 59, 600, 600, 86_400, 86_400, 2_592_000, 31_536_000])
fitting_ranges = st.lists(
    st.sampled_from([(200, 299), (200, 200), (301, 302), (400, 499), (404, 404), (500, 599), (100, 599)]),
    min_size=1,
    max_size=3,
).flatmap(
    lambda pairs: st.tuples(*(often for _ in pairs)).map(
        lambda ttls: [
            {"from": low, "to": high, "ttl": ttl} for (low, high), ttl in zip(pairs, ttls, strict=True)
        ]
    )
)


def present(chosen: dict[str, Any]) -> dict[str, Any]:
    """Without what is not said; what is False is said by leaving it out, too."""
    return {name: value for name, value in chosen.items() if value is not None and value is not False}


lifetimes = st.fixed_dictionaries(
    {
        "bypass": seldom,
        "force": st.booleans(),
        "strip_cookies": st.booleans(),
        "edge_ttl": st.sampled_from([None, None, 0, 5, 600, 31_536_000]),
        "ttl_by_status": st.sampled_from([True, False]).flatmap(
            lambda said: fitting_ranges if said else st.none()
        ),
        "stale_while_revalidate": st.sampled_from([None, 0, 7, 2_592_000]),
        "stale_if_error": st.sampled_from([None, 0, 7, 2_592_000]),
    }
).map(present)
words = ["", "", "", "", "public", "must-revalidate", "proxy-revalidate", "no-store", "private", "no-cache"]
answers = st.builds(
    oracle.Answer,
    status=st.sampled_from([200, 200, 200, 204, 206, 301, 302, 304, 400, 404, 410, 500, 503]),
    said=st.tuples(
        st.sampled_from(words),
        st.fixed_dictionaries(
            {
                "max-age": st.sampled_from([None, 0, 60, 86_400, 31_536_000]),
                "s-maxage": st.sampled_from([None, None, 0, 90]),
                "stale-if-error": st.sampled_from([None, None, 0, 33]),
                "stale-while-revalidate": st.sampled_from([None, None, 0, 33]),
            }
        ),
    ).map(
        lambda parts: {
            **({parts[0]: None} if parts[0] else {}),
            **{name: value for name, value in parts[1].items() if value is not None},
        }
    ),
    cookie=seldom,
    authorization=seldom,
    vary_star=seldom,
)
caches = st.fixed_dictionaries(
    {
        "default_ttl": often,
        "max_ttl": often,
        "negative_ttl": often,
        "stale_while_revalidate": often,
        "stale_if_error": often,
    }
)


@settings(max_examples=600)
@given(answer=answers, cache=caches, act=lifetimes)
def test_an_answer_stays_as_long_as_the_oracle_says(answer, cache, act):
    said = ", ".join(name if value is None else f"{name}={value}" for name, value in answer.said.items())
    plain = {
        "status": answer.status,
        "cache_control": said or None,
        "set_cookie": answer.cookie,
        "authorization": answer.authorization,
        "vary": "*" if answer.vary_star else None,
        "now": 1_800_000_000,
    }
    found = freshness.of(to_lua(plain), to_lua(cache), maybe(act))
    expected = oracle.fate(answer, cache, act)
    if not expected.ttl:
        assert (found.store, found.ttl) == (False, 0)
        return
    assert (found.ttl, found.stale_error, found.stale_update) == (
        expected.ttl,
        expected.stale_error,
        expected.stale_update,
    )


@given(pattern=glob_texts, path=st.text("ab/.", max_size=12).map("/{}".format))
def test_a_glob_matches_what_its_regular_expression_does(pattern, path):
    assert globs.matches(pattern, path) == oracle.path_is("glob", pattern, path)


def test_no_glob_takes_long():
    assert not globs.matches("/" + "*a" * 250, "/" + "a" * 8_000 + "b")
    assert not globs.matches("/" + "**/a" * 125, "/" + "a/" * 4_000 + "b")


@pytest.mark.parametrize("pattern", ["/img/**-*.jpg", "/**a**-*x*-*.jpg", "/**-*/*.jpg", "/**-*-z"])
def test_a_path_of_strangers_costs_a_glob_no_more_than_its_length(pattern):
    def steps(length: int) -> int:
        counted = lua.eval("""function(matches, pattern, path)
          local steps = 0
          jit.off(matches)
          debug.sethook(function() steps = steps + 1 end, "", 1)
          matches(pattern, path)
          debug.sethook()
          return steps
        end""")
        return int(counted(globs.matches, pattern, "/img/a" + "-" * length + "y"))

    assert steps(2_000) < 2.2 * steps(1_000)


def test_a_pattern_that_does_not_compile_holds_for_no_request_and_is_told():
    list_ = compiled(rule({"what": "path", "how": "regex", "values": ["("], "negate": True}))

    assert matched(list_, Request("/a")) is None
    assert "the pattern ( does not compile" in list_.problems[1]


def test_a_rule_without_conditions_is_for_every_request():
    assert matched(compiled(rule(match="any")), Request("/a")) == 1
    assert matched(compiled(rule(match="all")), Request("/a")) == 1


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (None, "desktop"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36",
            "desktop",
        ),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Mobile/15E148 Safari/604.1", "mobile"),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/130.0 Mobile Safari/537.36", "mobile"),
        ("Mozilla/5.0 (Android 15; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0", "mobile"),
        ("Opera/9.80 (J2ME/MIDP; Opera Mini/7.1) Presto/2.8", "mobile"),
        ("Mozilla/5.0 (Linux; Android 14; SM-X910) Chrome/130.0 Safari/537.36", "tablet"),
        ("Mozilla/5.0 (Android 15; Tablet; rv:132.0) Gecko/132.0 Firefox/132.0", "tablet"),
        ("Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) Mobile/15E148 Safari/604.1", "tablet"),
        ("Mozilla/5.0 (Linux; Android 11; KFTRWI) Silk/130.3 like Chrome/130 Mobile Safari/537.36", "tablet"),
        ("curl/8.5", "desktop"),
    ],
)
def test_a_device_is_known_by_its_user_agent(user_agent, device):
    assert devices.of(user_agent) == device
