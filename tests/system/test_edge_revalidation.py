"""Answers that the cache keeps and that their origin confirms: what it costs, and what must not go wrong."""

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.factories import CacheRuleFactory, DomainFactory
from tests.servers import OriginAnswer, eventually
from tests.system.caching import FRESH, SOON, says

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

ETAG = ("ETag", '"one"')
NO_CACHE = ("Cache-Control", "no-cache")


@pytest.fixture
def domain(edge, origin):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    return domain


def when_stale(edge, host, path, **options):
    """The first answer that the cache alone does not give."""

    def ask():
        found = edge.get(host, path, **options)
        return [] if found.headers["X-Cache"] == "HIT" else [found]

    [found] = eventually(ask, every=0.1)
    return found


def test_a_large_answer_and_large_headers_survive_a_304(edge, origin, domain):
    body, policy = "0123456789" * 300_000, "x" * 9000
    origin.answer = lambda request: says(body, *SOON, ETAG)
    edge.get(domain.host, "/large")
    origin.answer = lambda request: says("", *FRESH, ("X-Policy", policy), ("X-Policy-2", policy), status=304)
    found = when_stale(edge, domain.host, "/large")
    assert (found.text, found.headers["X-Policy"], found.headers["X-Cache"]) == (body, policy, "REVALIDATED")
    again = edge.get(domain.host, "/large")
    assert (again.text, again.headers["X-Policy-2"], again.headers["X-Cache"]) == (body, policy, "HIT")


def test_many_clients_of_a_stale_window_cost_the_origin_one_request(edge, origin, domain):
    window = ("Cache-Control", "max-age=60, stale-while-revalidate=60")
    origin.answer = lambda request: says("a", window, SOON[1], ETAG)
    edge.get(domain.host, "/window")
    arrived = threading.Event()
    origin.requests.clear()
    origin.answer = lambda request: OriginAnswer(status=304, headers=FRESH, wait=arrived)
    assert when_stale(edge, domain.host, "/window").text == "a"
    with ThreadPoolExecutor(20) as clients:
        found = list(clients.map(lambda _: edge.get(domain.host, "/window"), range(40)))
    assert {answer.text for answer in found} == {"a"}
    assert {answer.headers["X-Cache"] for answer in found} == {"UPDATING"}
    arrived.set()
    eventually(lambda: edge.get(domain.host, "/window").headers["X-Cache"] == "HIT")
    assert origin.asked("/window") == 1


def test_a_304_about_an_older_answer_than_the_cache_has_is_not_believed(edge, origin, domain):
    origin.answer = lambda request: says("a", NO_CACHE, ETAG)
    edge.get(domain.host, "/race")
    release, asked = threading.Event(), threading.Event()

    def slow_304_then_the_new_one(request):
        if request.headers.get("If-None-Match") == '"one"' and not asked.is_set():
            asked.set()
            return OriginAnswer(status=304, headers=(NO_CACHE,), wait=release)
        return says("b", NO_CACHE, ("ETag", '"two"'))

    origin.answer = slow_304_then_the_new_one
    with ThreadPoolExecutor(1) as client:
        first = client.submit(edge.get, domain.host, "/race")
        assert asked.wait(10)
        assert edge.get(domain.host, "/race").text == "b"
        release.set()
        assert first.result().text == "b"


def test_requests_for_what_is_asked_for_each_time_do_not_wait_for_each_other(edge, origin, domain):
    origin.answer = lambda request: says("a", NO_CACHE, ETAG)
    for _ in range(10):  # until each worker has seen it
        edge.get(domain.host, "/each")
    together = threading.Barrier(8, timeout=5)

    def answer(request):
        together.wait()  # passes only once eight requests are here at the same time
        return OriginAnswer(status=304, headers=(NO_CACHE,))

    origin.answer = answer
    with ThreadPoolExecutor(8) as clients:
        found = list(clients.map(lambda _: edge.get(domain.host, "/each"), range(8)))
    assert {(answer.text, answer.headers["X-Cache"]) for answer in found} == {("a", "REVALIDATED")}


def test_a_rule_for_browsers_holds_over_a_304_that_does_not_repeat_cache_control(edge, origin, domain):
    CacheRuleFactory(domain=domain, browser_ttl=5)
    origin.answer = lambda request: says("a", *FRESH)
    eventually(lambda: edge.get(domain.host, "/ruled").headers["Cache-Control"] == "max-age=5")
    origin.answer = lambda request: says("a", ("Cache-Control", "max-age=60, x"), SOON[1], ETAG)
    edge.get(domain.host, "/kept")
    origin.answer = lambda request: OriginAnswer(status=304)
    assert when_stale(edge, domain.host, "/kept").headers["Cache-Control"] == "max-age=5"
    found = edge.get(domain.host, "/kept")
    assert (found.headers["X-Cache"], found.headers["Cache-Control"]) == ("HIT", "max-age=5")
    assert int(found.headers["Cache-Status"].split("ttl=")[1]) > 50


def test_an_origin_that_is_gone_is_tried_once_for_what_it_forbids_to_serve_stale(edge, origin, domain):
    origin.answer = lambda request: says("a", ("Cache-Control", "max-age=60, must-revalidate"), SOON[1], ETAG)
    edge.get(domain.host, "/strict")
    origin.stop()
    found = when_stale(edge, domain.host, "/strict")
    assert (found.status_code, found.text) == (502, "No origin of this site can be reached.\n")
    assert edge.errors().count("connect() failed") == 1


def test_parts_of_a_large_answer_are_confirmed_one_by_one(edge, origin, domain):
    CacheRuleFactory(domain=domain, slices=True)
    body = bytes(range(256)) * 8192  # two slices of a megabyte

    def partial(request, *headers):
        first, last = request.headers["Range"].removeprefix("bytes=").split("-")
        start, stop = int(first), min(int(last) + 1, len(body))
        where = ("Content-Range", f"bytes {start}-{stop - 1}/{len(body)}")
        return OriginAnswer(206, body[start:stop], (*headers, ETAG, where))

    origin.answer = lambda request: (
        partial(request, *SOON) if "Range" in request.headers else says("", *FRESH)
    )
    eventually(lambda: edge.get(domain.host, "/sliced").content == body)
    origin.requests.clear()
    origin.answer = lambda request: says("", *FRESH, status=304)
    assert when_stale(edge, domain.host, "/sliced").content == body
    assert {request.headers.get("If-None-Match") for request in origin.requests} == {'"one"'}
    eventually(lambda: edge.get(domain.host, "/sliced").headers["X-Cache"] == "HIT")


@contextlib.contextmanager
def nobody_accepts(port):
    """A port on which connections wait for ever, as on a machine that is gone."""
    with contextlib.ExitStack() as open_sockets:
        server = open_sockets.enter_context(socket.socket())
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen(0)
        for _ in range(4):  # fill the queue
            waiting = open_sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield


def test_nobody_waits_for_an_origin_that_is_gone_while_something_stale_will_do(edge, start_origin):
    origin = start_origin()
    domain = DomainFactory(origin__port=origin.port, origin__connect_timeout=1000)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    origin.answer = lambda request: says("a", *SOON, ETAG)
    for path in ("/first", "/second"):
        edge.get(domain.host, path)
    origin.answer = lambda request: says("x", ("Cache-Control", "max-age=60, must-revalidate"), SOON[1], ETAG)
    edge.get(domain.host, "/strict")
    origin.stop()
    with nobody_accepts(origin.port):
        found = when_stale(edge, domain.host, "/first")
        assert (found.text, found.headers["X-Cache"]) == ("a", "STALE")
        assert found.elapsed.total_seconds() > 0.9
        found = when_stale(edge, domain.host, "/second")
        assert (found.text, found.headers["X-Cache"]) == ("a", "STALE")
        assert found.elapsed.total_seconds() < 0.9
        # What may not be served stale is asked for all the same.
        found = when_stale(edge, domain.host, "/strict")
        assert (found.status_code, found.elapsed.total_seconds() > 0.9) == (504, True)
