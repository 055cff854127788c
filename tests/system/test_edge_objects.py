"""Large objects in parts, many clients for one object, and small ones from memory: through a real edge."""

import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
import requests

from edge.purges.services import purge_request
from tests.factories import CacheConditionFactory, CacheRuleFactory, DomainFactory
from tests.servers import OriginAnswer, eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

LARGE = bytes(range(256)) * 1000  # 250 KiB
SLICE = 64 * 1024


def ranged(request, *, version='"v1"'):
    """An origin that has LARGE under every path and understands ranges (RFC 9110 section 14)."""
    common = (("Cache-Control", "max-age=600"), ("ETag", version), ("Accept-Ranges", "bytes"))
    wanted = request.headers.get("Range", "")
    if not wanted.startswith("bytes="):
        return OriginAnswer(body=LARGE, headers=common)
    first, _, last = wanted[6:].partition("-")
    start, stop = int(first), min(int(last or len(LARGE) - 1), len(LARGE) - 1) + 1
    return OriginAnswer(
        status=206,
        body=LARGE[start:stop],
        headers=(*common, ("Content-Range", f"bytes {start}-{stop - 1}/{len(LARGE)}")),
    )


@pytest.fixture
def edge(one_node, start_edge):
    return start_edge("edge-1", CIRRUS_EDGE_SLICE_SIZE="64k")


@pytest.fixture
def domain(edge, origin):
    domain = DomainFactory(origin__port=origin.port)
    rule = CacheRuleFactory(domain=domain, slices=True)
    CacheConditionFactory(rule=rule, values="/large/")
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    eventually(lambda: edge.health()["rev"] >= 3)
    origin.answer = ranged
    return domain


def asked_for(origin, path):
    return [request.headers.get("Range") for request in origin.requests if request.path == path]


def test_a_large_object_is_fetched_in_parts_and_each_part_once(edge, domain, origin):
    assert edge.get(domain.host, "/large/film").content == LARGE
    parts = [f"bytes={at}-{at + SLICE - 1}" for at in range(0, len(LARGE), SLICE)]
    assert asked_for(origin, "/large/film") == parts
    again = edge.get(domain.host, "/large/film")
    assert (again.content, again.headers["X-Cache"]) == (LARGE, "HIT")
    assert asked_for(origin, "/large/film") == parts


def test_parts_are_kept_also_where_the_origin_says_no_lifetime(edge, domain, origin):
    def silent(request):
        answer = ranged(request)
        return OriginAnswer(
            answer.status, answer.body, tuple(h for h in answer.headers if h[0] != "Cache-Control")
        )

    origin.answer = silent
    for _ in range(2):
        answer = edge.get(domain.host, "/large/silent", headers={"Range": "bytes=0-9"})
        assert (answer.status_code, answer.content) == (206, LARGE[:10])
    assert answer.headers["X-Cache"] == "HIT"
    assert len(asked_for(origin, "/large/silent")) == 1


def test_a_client_that_wants_a_part_costs_the_origin_that_part(edge, domain, origin):
    answer = edge.get(domain.host, "/large/part", headers={"Range": "bytes=100000-100009"})
    assert (answer.status_code, answer.content) == (206, LARGE[100000:100010])
    assert answer.headers["Content-Range"] == f"bytes 100000-100009/{len(LARGE)}"
    assert asked_for(origin, "/large/part") == ["bytes=65536-131071"]
    last = edge.get(domain.host, "/large/part", headers={"Range": "bytes=-5"})
    assert last.content == LARGE[-5:]


def test_a_purge_takes_all_parts(edge, domain, origin):
    edge.get(domain.host, "/large/gone")
    (purge,) = purge_request(domains=[domain], urls=["/large/gone"])
    purge.refresh_from_db()
    eventually(lambda: edge.health()["rev"] >= purge.rev)
    origin.answer = lambda request: ranged(request, version='"v2"')
    answer = edge.get(domain.host, "/large/gone")
    assert (answer.content, answer.headers["ETag"]) == (LARGE, '"v2"')


def test_an_object_without_such_a_rule_serves_parts_of_what_it_has(edge, domain, origin):
    origin.answer = lambda request: OriginAnswer(body=LARGE, headers=(("Cache-Control", "max-age=600"),))
    answers = [edge.get(domain.host, "/whole", headers={"Range": "bytes=5-9"}) for _ in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(206, LARGE[5:10])] * 2
    assert asked_for(origin, "/whole") == [None]
    beyond = edge.get(domain.host, "/whole", headers={"Range": f"bytes={len(LARGE)}-"})
    assert beyond.status_code == 416
    raw = beyond.raw.headers
    assert [len(raw.getlist(name)) for name in ("X-Cache", "Via", "X-Request-Id", "Cache-Status")] == [1] * 4


# -- many for one ----------------------------------------------------------------------------------


def test_two_hundred_clients_cost_the_origin_one_request(edge, domain, origin):
    go = threading.Event()
    origin.answer = lambda request: OriginAnswer(
        body=b"one", headers=(("Cache-Control", "max-age=60"),), wait=go
    )
    threading.Timer(1.5, go.set).start()
    with ThreadPoolExecutor(200) as clients:
        answers = list(clients.map(lambda _: edge.get(domain.host, "/popular"), range(200)))
    assert {answer.text for answer in answers} == {"one"}
    assert origin.asked("/popular") == 1


def burst(edge, domain, path, clients=40):
    """So many clients at once: their answers, and the seconds that the last one waited."""

    def one(_):
        began = time.monotonic()
        answer = edge.get(domain.host, path)
        return answer, time.monotonic() - began

    with ThreadPoolExecutor(clients) as pool:
        done = list(pool.map(one, range(clients)))
    return [answer for answer, _ in done], max(seconds for _, seconds in done)


def test_clients_do_not_queue_for_answers_that_are_for_one_client_each(one_node, start_edge, origin):
    edge = start_edge("edge-1", CIRRUS_EDGE_WORKERS="2")
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)

    def slow(request):
        time.sleep(0.5)
        return OriginAnswer(body=b"mine", headers=(("Cache-Control", "private"),))

    origin.answer = slow
    answers, waited = burst(edge, domain, "/account")
    assert [answer.text for answer in answers] == ["mine"] * 40
    assert waited < 5  # one by one it would be twenty seconds


def test_a_purge_while_many_wait_is_not_lost_on_them(edge, domain, origin):
    go, numbers = threading.Event(), count(1)

    def slow(request):
        number = next(numbers)
        headers = (("Cache-Control", "max-age=60"),)
        return OriginAnswer(body=str(number).encode(), headers=headers, wait=go if number == 1 else None)

    origin.answer = slow
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(burst, edge, domain, "/popular")
        eventually(lambda: origin.asked("/popular") == 1)
        (purge,) = purge_request(domains=[domain], urls=["/popular"])
        purge.refresh_from_db()
        eventually(lambda: edge.health()["rev"] >= purge.rev)
        go.set()
        waiting.result()
    assert edge.get(domain.host, "/popular").text == "2"
    assert origin.asked("/popular") == 2


def test_nobody_waits_twice_for_what_is_not_kept(edge, origin, domain):
    """Who is told that the answer has come looks whether it is kept before it goes to the cache for it."""
    origin.answer = lambda request: OriginAnswer(body=b"x", headers=(("Cache-Control", "no-store"),))
    for number in range(40):
        burst(edge, domain, f"/mine-{number}")
    assert edge.metric("cirrus_collapsed_total") == 0


def test_those_who_wait_for_a_worker_that_dies_are_released(one_node, start_edge, origin):
    edge = start_edge("edge-1", CIRRUS_EDGE_WORKERS="2")
    domain = DomainFactory(origin__port=origin.port)
    # No connection is left open to the origin, so that the only one is that of the request that hangs.
    origin.answer = lambda request: OriginAnswer(headers=(("Connection", "close"),))
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    never, numbers = threading.Event(), count(1)
    origin.answer = lambda request: OriginAnswer(
        body=b"x", headers=(("Cache-Control", "max-age=60"),), wait=never if next(numbers) == 1 else None
    )
    outcomes = []

    def ask():
        try:
            outcomes.append(edge.get(domain.host, "/fatal").text)
        except requests.ConnectionError:
            outcomes.append("cut off")

    clients = [threading.Thread(target=ask) for _ in range(20)]
    clients[0].start()
    eventually(lambda: origin.asked("/fatal") == 1)
    for client in clients[1:]:
        client.start()
    leader = _worker_with_request(edge, origin)
    began = time.monotonic()
    os.kill(leader, signal.SIGKILL)
    for client in clients:
        client.join(timeout=30)
    never.set()
    assert len(outcomes) == 20
    assert time.monotonic() - began < 10
    assert edge.get(domain.host, "/fatal").text == "x"


def _worker_with_request(edge, origin):
    """The worker that is connected to the origin."""
    for connection in _connections_to(origin.port):
        for pid in edge.workers():
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                if descriptor.readlink().name == f"socket:[{connection}]":
                    return pid
    raise AssertionError("no worker is connected to the origin")


def _connections_to(port):
    """The inodes of established connections to this port of the loopback."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [line[9] for line in lines if int(line[2].split(":")[1], 16) == port and line[3] == "01"]


def test_clients_with_credentials_do_not_queue_either_nor_send_others_past_the_cache(edge, domain, origin):
    def slow(request):
        time.sleep(0.2)
        return OriginAnswer(body=b"x", headers=(("Cache-Control", "max-age=60"),))

    origin.answer = slow
    with ThreadPoolExecutor(30) as pool:
        began = time.monotonic()
        options = {"headers": {"Authorization": "Bearer x"}}
        list(pool.map(lambda _: edge.get(domain.host, "/mine", **options), range(30)))
    assert time.monotonic() - began < 3
    assert [edge.get(domain.host, "/mine").headers["X-Cache"] for _ in range(2)] == ["MISS", "HIT"]


@pytest.mark.parametrize("path", ["/slow", "/slow" + "y" * 300])
def test_a_client_that_does_not_read_holds_up_nobody(edge, domain, origin, path):
    body = b"x" * 8_000_000
    origin.answer = lambda request: OriginAnswer(body=body, headers=(("Cache-Control", "max-age=60"),))
    with socket.create_connection(("127.0.0.1", edge.http_port)) as idle:
        idle.sendall(f"GET {path} HTTP/1.1\r\nHost: {domain.host}\r\n\r\n".encode())
        eventually(lambda: origin.asked(path) == 1)
        for _ in range(3):
            began = time.monotonic()
            assert len(edge.get(domain.host, path).content) == len(body)
            assert time.monotonic() - began < 5
    assert origin.asked(path) == 1


# -- names of one domain ---------------------------------------------------------------------------


@pytest.mark.parametrize("times", [2, 8])  # on disk, in memory
def test_names_of_one_domain_never_share_an_object(edge, origin, times):
    wildcard = DomainFactory(host="*.tenants.example", origin__port=origin.port)
    wildcard.hostnames.create(name="alias.example")
    hosts = ["a.tenants.example", "b.tenants.example", "alias.example"]
    eventually(lambda: edge.get("alias.example", "/known").status_code == 200)
    origin.answer = lambda request: OriginAnswer(
        body=request.headers["Host"].encode(), headers=(("Cache-Control", "max-age=60"), ("Cache-Tag", "t"))
    )
    for _ in range(times):
        assert [edge.get(host, "/page").text for host in hosts] == hosts


# -- memory ----------------------------------------------------------------------------------------

ANSWER_HEADERS = (
    ("Cache-Control", "max-age=60"),
    ("ETag", '"v1"'),
    ("Last-Modified", "Tue, 24 Nov 2026 11:00:00 GMT"),
    ("Content-Type", "text/x-thing"),
    ("X-Thing", "a"),
    ("Link", "<a>"),
    ("Link", "<b>"),
    ("Vary", "Accept-Language, X-Kind"),
)
MADE_ANEW = {"X-Request-Id", "Age", "Cache-Status", "Date", "Accept-Ranges"}


def test_what_comes_from_memory_is_what_comes_from_the_disk(edge, domain, origin):
    numbers = count(1)
    origin.answer = lambda request: OriginAnswer(
        body=f"{request.headers.get('Accept-Language')} {next(numbers)}".encode() * 50, headers=ANSWER_HEADERS
    )
    seen = {}
    for _ in range(8):
        for language in ("de", "fr"):
            answer = edge.get(domain.host, "/thing", headers={"Accept-Language": language})
            headers = {name: value for name, value in answer.headers.items() if name not in MADE_ANEW}
            seen.setdefault(language, []).append((answer.text, headers))
    for language, answers in seen.items():
        (first_text, first_headers), *others = answers
        assert first_text.startswith(language)
        assert {text for text, _ in others} == {first_text}
        for _, headers in others:
            assert {**headers, "X-Cache": "MISS"} == first_headers
    assert origin.asked("/thing") == 2
    assert eventually(lambda: edge.metric('cirrus_memory_total{result="hit"}') > 0)


def test_memory_steps_aside_for_conditions_parts_and_heads(edge, domain, origin):
    origin.answer = lambda request: OriginAnswer(body=b"0123456789", headers=ANSWER_HEADERS[:3])
    for _ in range(6):
        edge.get(domain.host, "/small")
    unchanged = edge.get(domain.host, "/small", headers={"If-None-Match": '"v1"'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    part = edge.get(domain.host, "/small", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    head = edge.request("HEAD", domain.host, "/small")
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", "10")
    assert origin.asked("/small") == 1


def test_an_object_leaves_memory_when_it_is_no_longer_fresh(edge, domain, origin):
    numbers = count(1)
    origin.answer = lambda request: OriginAnswer(
        body=str(next(numbers)).encode(),
        headers=(("Cache-Control", "max-age=2, must-revalidate"),),
    )
    for _ in range(6):
        assert edge.get(domain.host, "/short").text == "1"
    eventually(lambda: edge.get(domain.host, "/short").text == "2")


# -- what must not be stored, and what must not reach an origin ------------------------------------


@pytest.mark.parametrize("guard", [True, False])
def test_unkeyed_headers_reach_the_origin_only_where_the_guard_is_off(edge, origin, guard):
    domain = DomainFactory(origin__port=origin.port, guard=guard)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    headers = {"X-Original-URL": "/admin", "X-Forwarded-Host": "evil.example", "X-Custom": "1"}
    for method in ("GET", "POST"):
        edge.request(method, domain.host, f"/p-{method}", headers=headers)
        got = origin.requests[-1].headers
        assert ("X-Original-URL" in got) is not guard
        assert got["X-Custom"] == "1"
        assert got["X-Forwarded-Host"] == domain.host


@pytest.mark.parametrize(("guard", "last"), [(True, "BYPASS"), (False, "HIT")])
def test_a_page_under_the_name_of_a_style_sheet_is_not_kept(edge, origin, guard, last):
    domain = DomainFactory(origin__port=origin.port, guard=guard)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    origin.answer = lambda request: OriginAnswer(
        body=b"<p>mine", headers=(("Content-Type", "text/html"), ("Cache-Control", "max-age=60"))
    )
    for path in ("/account/x.css", "/account/y%2ecss", "/account/z.cs%73"):
        statuses = [edge.get(domain.host, path).headers["X-Cache"] for _ in range(2)]
        assert statuses == ["MISS", last]


def test_nothing_is_kept_of_a_domain_that_is_withdrawn_while_its_answer_comes(edge, domain, origin):
    go = threading.Event()
    headers = (("Cache-Control", "max-age=600"), ("Set-Cookie", "session=secret"))
    origin.answer = lambda request: OriginAnswer(body=b"mine", headers=headers, wait=go)
    client = threading.Thread(target=lambda: edge.get(domain.host, "/during"))
    client.start()
    eventually(lambda: origin.asked("/during") == 1)
    domain.enabled = False
    domain.save()
    eventually(lambda: edge.get(domain.host, "/other").status_code == 404)
    go.set()
    client.join()
    domain.enabled = True
    domain.save()
    origin.answer = lambda request: OriginAnswer(body=b"yours", headers=headers[:1])
    eventually(lambda: edge.get(domain.host, "/other").status_code == 200)
    answer = edge.get(domain.host, "/during")
    assert (answer.text, answer.headers.get("Set-Cookie")) == ("yours", None)
