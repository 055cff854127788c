"""HTTP caching as a real edge does it (RFC 9110, 9111, 9211, 9213), case by case."""

import pytest

from tests.factories import DomainFactory
from tests.servers import OriginAnswer, eventually
from tests.system.caching import FRESH, SOON, Step, play, says

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

NO_CACHE = ("Cache-Control", "no-cache")
ETAG = ("ETag", '"one"')
MODIFIED = ("Last-Modified", "Mon, 05 Jan 2026 10:00:00 GMT")
LATER = "Tue, 06 Jan 2026 10:00:00 GMT"
EARLIER = "Sun, 04 Jan 2026 10:00:00 GMT"


@pytest.fixture
def domain(edge, origin):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    return domain


def test_what_is_fresh_comes_from_the_cache_and_what_is_not_does_not(edge, origin, domain):
    def twice(second, *headers, status=200):
        return (
            Step(says("a", *headers, status=status), cache="MISS", status=status),
            Step(None if second == "HIT" else says("b"), cache=second, status=status)
            if second == "HIT"
            else Step(says("b"), body="b"),
        )

    play(
        edge,
        origin,
        domain.host,
        {
            "max-age is a lifetime": twice("HIT", ("Cache-Control", "max-age=60")),
            "an Age beyond the lifetime is stale": twice("", ("Cache-Control", "max-age=60"), ("Age", "61")),
            "an Age that cannot be read is stale": twice("", ("Cache-Control", "max-age=60"), ("Age", "x")),
            "of two Age fields the older counts": twice(
                "", ("Cache-Control", "max-age=60"), ("Age", "0"), ("Age", "99")
            ),
            "an Expires that is no date is stale": twice("", ("Expires", "0")),
            "an Expires as old as the Date is stale": twice("", ("Expires", "Mon, 05 Jan 2026 10:00:00 GMT")),
            "s-maxage wins over max-age": twice("", ("Cache-Control", "max-age=60, s-maxage=0")),
            "directives in two lines count together": twice(
                "", ("Cache-Control", "max-age=60"), ("Cache-Control", "no-store")
            ),
            "max-age inside a quoted string is none": twice(
                "", ("Cache-Control", 'x="max-age=60", max-age=0')
            ),
            "a field for CDNs replaces the others": twice(
                "HIT", ("Cache-Control", "no-store"), ("CDN-Cache-Control", "max-age=60")
            ),
            "a field for CDNs can forbid": twice(
                "", ("Cache-Control", "max-age=60"), ("CDN-Cache-Control", "no-store")
            ),
            "a broken field for CDNs counts as absent": twice(
                "HIT", ("Cache-Control", "max-age=60"), ("CDN-Cache-Control", "no-store,")
            ),
            "Surrogate-Control can forbid": twice(
                "", ("Cache-Control", "max-age=60"), ("Surrogate-Control", "no-store")
            ),
            "a star in a list of Vary is never the same": twice("", *FRESH, ("Vary", "Accept, *")),
            "a star in the second line of Vary too": twice("", *FRESH, ("Vary", "Accept"), ("Vary", "*")),
            "an error with a lifetime is kept": twice("HIT", *FRESH, status=503),
            "an unknown status with a lifetime is kept": twice("HIT", *FRESH, status=299),
            "what must be understood and is not, is not kept": (
                Step(says("a", ("Cache-Control", "max-age=60, must-understand"), status=599), status=599),
                Step(says("b"), body="b"),
            ),
            "an answer to credentials is not for others": (
                Step(says("a", *FRESH), send={"Authorization": "x"}),
                Step(says("b", *FRESH), body="b"),
            ),
            "unless it is public": (
                Step(says("a", ("Cache-Control", "max-age=60, public")), send={"Authorization": "x"}),
                Step(body="a", cache="HIT"),
            ),
            "a part is never taken for the whole": (
                Step(says("a", *FRESH, ("Content-Range", "bytes 0-0/9"), status=206), status=206),
                Step(says("b"), body="b"),
            ),
            "a client cannot send others past the cache": (
                Step(says("a", *FRESH)),
                Step(send={"Cache-Control": "no-cache", "Pragma": "no-cache"}, cache="HIT"),
            ),
            "who wants what is cached or nothing gets nothing": (
                Step(send={"Cache-Control": "only-if-cached"}, status=504),
                Step(says("a", *FRESH)),
                Step(send={"Cache-Control": "only-if-cached"}, cache="HIT", body="a"),
            ),
            "the field for CDNs goes on to the next one": (
                Step(
                    says("a", ("CDN-Cache-Control", "max-age=60")),
                    headers={"CDN-Cache-Control": "max-age=60"},
                ),
            ),
        },
    )


def test_an_unchanged_answer_is_not_fetched_again(edge, origin, domain):
    unchanged = says("", status=304)
    play(
        edge,
        origin,
        domain.host,
        {
            "a stale answer is asked for by its ETag": (
                Step(says("a", *SOON, ETAG), body="a"),
                Step(unchanged, stale=True, body="a", cache="REVALIDATED", asked={"If-None-Match": '"one"'}),
            ),
            "or by its date": (
                Step(says("a", *SOON, MODIFIED), body="a"),
                Step(unchanged, stale=True, body="a", asked={"If-Modified-Since": MODIFIED[1]}),
            ),
            "a 304 brings new headers, a new lifetime, and begins a new age": (
                Step(says("a", *SOON, ETAG, ("X-Old", "1"), ("X-Both", "1")), headers={"X-Both": "1"}),
                Step(
                    says("", *FRESH, ETAG, ("X-Both", "2"), ("X-New", "2"), status=304),
                    stale=True,
                    headers={"X-Old": "1", "X-Both": "2", "X-New": "2", "Cache-Control": "max-age=600"},
                ),
                Step(
                    cache="HIT",
                    body="a",
                    headers={"X-Old": "1", "X-Both": "2", "X-New": "2", "Age": "0", "ETag": '"one"'},
                ),
            ),
            "what describes the content stays as it was stored": (
                Step(says("abc", *SOON, ETAG, ("Content-Encoding", "x"))),
                Step(
                    says("", *FRESH, ("Content-Encoding", "y"), ("ETag", '"two"'), status=304),
                    stale=True,
                    body="abc",
                    headers={"Content-Encoding": "x", "ETag": '"one"', "Content-Length": "3"},
                ),
            ),
            "a changed answer takes the place of the old one": (
                Step(says("a", *SOON, ETAG)),
                Step(says("b", *FRESH, ("ETag", '"two"')), stale=True, cache="EXPIRED", body="b"),
                Step(cache="HIT", body="b"),
            ),
            "no-cache with a validator is kept and asked for each time": (
                Step(says("a", NO_CACHE, ETAG), cache="MISS"),
                Step(says("", NO_CACHE, status=304), body="a", asked={"If-None-Match": '"one"'}),
                Step(says("b", NO_CACHE), body="b"),
            ),
            "each variant is asked for with what it was kept for": (
                Step(says("a", *SOON, ETAG, ("Vary", "X-Shop")), send={"X-Shop": "1"}),
                Step(
                    unchanged,
                    send={"X-Shop": "1"},
                    stale=True,
                    body="a",
                    asked={"X-Shop": "1", "If-None-Match": '"one"'},
                    headers={"Vary": "X-Shop"},
                ),
            ),
            "a tagged answer is still tagged after a 304": (
                Step(says("a", *FRESH, ("Cache-Tag", "t")), at="/first"),
                Step(says("a", *SOON, ETAG, ("Cache-Tag", "t"))),
                Step(says("", *FRESH, status=304), stale=True, body="a", headers={"Vary": None}),
                Step(cache="HIT", body="a"),
            ),
        },
    )


def test_clients_ask_with_conditions_and_for_parts(edge, origin, domain):
    stored = Step(says("0123456789", *FRESH, ETAG, MODIFIED))

    def then(status, body=None, **send):
        named = {name.replace("_", "-"): value for name, value in send.items()}
        return (stored, Step(send=named, status=status, body=body, cache="HIT"))

    play(
        edge,
        origin,
        domain.host,
        {
            "the same ETag": then(304, "", If_None_Match='"one"'),
            "the same ETag, weakly": then(304, "", If_None_Match='W/"one"'),
            "one of several": then(304, "", If_None_Match='"x", "one"'),
            "another ETag": then(200, If_None_Match='"two"'),
            "not modified since": then(304, "", If_Modified_Since=MODIFIED[1]),
            "nor since later": then(304, "", If_Modified_Since=LATER),
            "modified since": then(200, If_Modified_Since=EARLIER),
            "the ETag decides before the date": then(304, "", If_None_Match='"one"', If_Modified_Since=LATER),
            "a part": then(206, "12", Range="bytes=1-2"),
            "the end": then(206, "9", Range="bytes=-1"),
            "the rest": then(206, "89", Range="bytes=8-"),
            "a part that is not there": (stored, Step(send={"Range": "bytes=20-"}, status=416)),
            "a part if it is the same": then(206, "0", Range="bytes=0-0", If_Range='"one"'),
            "the whole if it is not": then(200, "0123456789", Range="bytes=0-0", If_Range='"two"'),
            "a part of what is not cached yet": (
                Step(
                    says("0123", *FRESH),
                    send={"Range": "bytes=1-1"},
                    status=206,
                    body="1",
                    asked={"Range": None},
                ),
                Step(cache="HIT", body="0123"),
            ),
            "HEAD": (stored, Step(method="HEAD", cache="HIT", body="", headers={"Content-Length": "10"})),
        },
    )


def test_a_failing_origin_is_covered_by_a_stale_answer_where_that_is_allowed(edge, origin, domain):
    hang_up = OriginAnswer(hang_up=True)

    def after(first, failure, **outcome):
        return (Step(says("a", *first, ETAG)), Step(failure, stale=True, **outcome))

    play(
        edge,
        origin,
        domain.host,
        {
            "it hangs up": after(SOON, hang_up, cache="STALE", body="a"),
            "it answers 503": after(SOON, says("x", status=503), cache="STALE", body="a"),
            "it answers 500": after(SOON, says("x", status=500), cache="STALE", body="a"),
            "it answers 404, which is no failure": after(
                SOON, says("x", status=404), cache="EXPIRED", status=404, body="x"
            ),
            "must-revalidate, and it hangs up": after(
                (("Cache-Control", "max-age=60, must-revalidate"), SOON[1]), hang_up, status=502
            ),
            "must-revalidate, and its own words are passed on": after(
                (("Cache-Control", "max-age=60, must-revalidate"), SOON[1]),
                says("sorry", status=503),
                status=503,
                body="sorry",
            ),
            "s-maxage": after((("Cache-Control", "s-maxage=60"), SOON[1]), says("x", status=503), status=503),
            "no-cache": (
                Step(says("a", NO_CACHE, ETAG)),
                Step(says("x", status=503), status=503, body="x"),
            ),
            "it comes back": (
                *after(SOON, says("x", status=503), cache="STALE", body="a"),
                Step(says("b", *FRESH), body="b", cache="EXPIRED"),
                Step(cache="HIT", body="b"),
            ),
            "a window by the origin, with one fetch in the background": (
                Step(says("a", ("Cache-Control", "max-age=60, stale-while-revalidate=60"), SOON[1], ETAG)),
                Step(says("", *FRESH, status=304), stale=True, body="a", cache="STALE"),
            ),
        },
    )


def test_an_unsafe_request_invalidates_what_it_has_changed(edge, origin, domain):
    kept = Step(says("a", *FRESH), cache="MISS")

    def after(method, *headers, status=200, at="", then=""):
        target = Step(says("a", *FRESH), at=then)
        change = Step(says("", *headers, status=status), method=method, status=status, at=at)
        return (target, Step(at=then, cache="HIT"), change)

    again = Step(says("b", *FRESH), body="b", cache="MISS")
    play(
        edge,
        origin,
        domain.host,
        {
            **{f"{method} changes": (*after(method), again) for method in ("POST", "PUT", "DELETE", "PATCH")},
            "a failed POST changes nothing": (*after("POST", status=500), Step(cache="HIT")),
            "OPTIONS changes nothing": (*after("OPTIONS"), Step(cache="HIT")),
            "Location is changed as well": (
                *after("POST", ("Location", "there"), at="/x", then="/there"),
                Step(says("b"), at="/there", body="b"),
            ),
            "Content-Location too, as a whole URL": (
                Step(says("a", *FRESH), at="/there"),
                Step(
                    says("", ("Content-Location", f"http://{domain.host}/script-7/there?x")),
                    method="PUT",
                    at="/x",
                ),
                Step(says("b"), at="/there", body="b"),
            ),
            "what is on another host is not": (
                Step(says("a", *FRESH), at="/there"),
                Step(says("", ("Location", "http://another.example/script-8/there")), method="POST", at="/x"),
                Step(at="/there", cache="HIT"),
            ),
            "nothing is changed by reading": (kept, Step(cache="HIT"), Step(method="HEAD", cache="HIT")),
        },
    )


def test_headers_for_one_connection_go_no_further(edge, origin, domain):
    play(
        edge,
        origin,
        domain.host,
        {
            "what the origin's Connection names is not stored": (
                Step(says("a", *FRESH, ("Connection", "X-Hop"), ("X-Hop", "1"), ("X-End", "2"))),
                Step(cache="HIT", headers={"X-Hop": None, "X-End": "2"}),
            ),
            "nor passed on past the cache": (
                Step(
                    says("a", ("Connection", "X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "timeout=9")),
                    method="POST",
                    headers={"X-Hop": None, "Keep-Alive": None},
                ),
            ),
            "what the client's names does not reach the origin, and the answer is nobody else's": (
                Step(
                    says("a", *FRESH),
                    send={"Connection": "close, X-Hop", "X-Hop": "1", "X-End": "2"},
                    asked={"X-Hop": None, "X-End": "2"},
                ),
                Step(says("b", *FRESH), body="b", cache="MISS"),
            ),
        },
    )


def test_cache_status_tells_what_the_edge_has_done(edge, origin, domain):
    def told(text):
        return {"Cache-Status": f"edge-1; {text}"}

    play(
        edge,
        origin,
        domain.host,
        {
            "missed, then hit": (
                Step(says("a", *FRESH), headers=told("fwd=uri-miss; fwd-status=200; stored")),
                Step(cache="HIT"),
            ),
            "not stored": (
                Step(says("a", ("Cache-Control", "no-store")), headers=told("fwd=uri-miss; fwd-status=200")),
                Step(says("a"), headers=told("fwd=bypass; fwd-status=200")),
            ),
            "other methods": (Step(says("a"), method="POST", headers=told("fwd=method; fwd-status=200")),),
            "not modified": (
                Step(says("a", *SOON, ETAG)),
                Step(says("", status=304), stale=True, headers=told("fwd=stale; fwd-status=304; stored")),
            ),
            "failed": (
                Step(says("a", *SOON)),
                Step(says("", status=503), stale=True, headers=told("fwd=stale; detail=origin-failed")),
            ),
            "after another cache": (
                Step(
                    says("a", *FRESH, ("Cache-Status", "origin-cache; hit")),
                    headers={
                        "Cache-Status": "origin-cache; hit, edge-1; fwd=uri-miss; fwd-status=200; stored"
                    },
                ),
            ),
        },
    )


def test_a_hit_says_how_long_it_is_fresh(edge, origin, domain):
    origin.answer = lambda request: says("a", *FRESH)
    edge.get(domain.host, "/fresh")
    name, hit, ttl = edge.get(domain.host, "/fresh").headers["Cache-Status"].split("; ")
    assert (name, hit) == ("edge-1", "hit")
    assert 590 <= int(ttl.removeprefix("ttl=")) <= 600
