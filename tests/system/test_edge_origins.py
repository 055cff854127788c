"""How a real edge asks real origins: which, how, and what it does when one fails."""

import os
import signal
import socket
import threading
from collections import Counter
from itertools import count

import pytest

from domains.models import Origin as OriginRow
from tests.factories import DomainFactory, OriginFactory
from tests.servers import NameServer, OriginAnswer, certificate_for, eventually, free_port

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


def known(edge, domain):
    eventually(lambda: edge.get(domain.host, "/known").status_code != 404)
    return domain


@pytest.fixture
def name_server():
    server = NameServer()
    yield server
    server.stop()


# -- choosing ---------------------------------------------------------------------------------------


def test_origins_are_asked_in_proportion_to_their_weights(edge, start_origin):
    light, heavy = start_origin(), start_origin()
    domain = DomainFactory(origin__port=light.port, origin__weight=100)
    OriginFactory(domain=domain, port=heavy.port, weight=300)
    known(edge, domain)
    asked = Counter(edge.get(domain.host, f"/{number}").text.rsplit(" ", 1)[1] for number in range(400))
    assert 0.15 < asked[str(light.port)] / 400 < 0.35


def test_a_backup_is_asked_only_when_the_others_have_failed(edge, start_origin):
    first, backup = start_origin(), start_origin()
    domain = DomainFactory(origin__port=first.port)
    OriginFactory(domain=domain, port=backup.port, backup=True)
    known(edge, domain)
    for number in range(20):
        edge.get(domain.host, f"/{number}")
    assert backup.requests == []
    first.stop()
    assert edge.get(domain.host, "/failed-over").text == f"/failed-over from {backup.port}"


@pytest.mark.parametrize("failure", ["refuses", "hangs up", "is silent"])
def test_the_next_origin_is_asked_when_one_fails(edge, start_origin, failure):
    good, bad = start_origin(), start_origin()
    silent = threading.Event()
    if failure == "refuses":
        bad.stop()
    elif failure == "hangs up":
        bad.answer = lambda request: OriginAnswer(hang_up=True)
    else:
        bad.answer = lambda request: OriginAnswer(wait=silent)
    domain = DomainFactory(origin__port=bad.port, origin__weight=1000, origin__read_timeout=300)
    OriginFactory(domain=domain, port=good.port, weight=1)
    known(edge, domain)
    for number in range(5):
        assert edge.get(domain.host, f"/{number}").text == f"/{number} from {good.port}"
    silent.set()
    failed = edge.metric(
        "nginx_upstream_timeouts_total" if failure == "is silent" else "nginx_upstream_errors_total"
    )
    assert 1 <= failed <= 3  # one that has just failed is left alone for a while


def test_the_status_tells_an_origin_that_fails_from_one_that_is_too_slow(edge, start_origin):
    slow, silent = start_origin(), threading.Event()
    slow.answer = lambda request: OriginAnswer(wait=silent)
    late = DomainFactory(origin__port=slow.port, origin__read_timeout=200)
    dead = DomainFactory(origin__port=free_port())
    known(edge, late)
    assert edge.get(late.host, "/x").status_code == 504
    assert edge.get(dead.host, "/x").status_code == 502
    silent.set()


def test_an_answer_of_the_origin_is_passed_on_even_if_it_is_an_error(edge, origin):
    origin.answer = lambda request: OriginAnswer(status=502, body=b"mine", headers=(("X-Mine", "1"),))
    domain = known(edge, DomainFactory(origin__port=origin.port))
    answer = edge.get(domain.host, "/x")
    assert (answer.status_code, answer.text, answer.headers["X-Mine"]) == (502, "mine", "1")
    assert origin.asked("/x") == 1


def test_a_request_that_may_have_changed_something_is_sent_once(edge, start_origin):
    bad, good = start_origin(), start_origin()
    bad.answer = lambda request: OriginAnswer(hang_up=True)
    domain = DomainFactory(origin__port=bad.port)
    OriginFactory(domain=domain, port=good.port, backup=True)
    eventually(lambda: edge.get(domain.host, "/known").text == f"/known from {good.port}")
    eventually(lambda: edge.request("POST", domain.host, "/order", data=b"one").status_code == 502)
    assert [bad.asked("/order"), good.asked("/order")] == [1, good.asked("/order")]
    bad.stop()
    answer = eventually(
        lambda: (
            edge.request("POST", domain.host, "/second", data=b"two") if not bad.asked("/second") else None
        )
    )
    assert answer.text == f"/second from {good.port}"  # nobody was connected, so nobody was sent anything
    assert [request.body for request in good.requests if request.path == "/second"] == [b"two"]


def test_a_thousand_misses_at_one_moment_all_find_the_way_to_the_fetch_tier(edge):
    domain = known(edge, DomainFactory(origin__port=free_port()))
    worker = edge.workers()[0]
    os.kill(worker, signal.SIGSTOP)  # so that they are all there when it looks
    clients = [socket.create_connection(("127.0.0.1", edge.http_port), timeout=10) for _ in range(1000)]
    for number, client in enumerate(clients):
        request = f"GET /{number} HTTP/1.1\r\nHost: {domain.host}\r\nConnection: close\r\n\r\n"
        client.sendall(request.encode())
    os.kill(worker, signal.SIGCONT)
    answers = [client.makefile("rb").read() for client in clients]
    assert [answer for answer in answers if b"No origin of this site" not in answer] == []


# -- what the origin is asked -----------------------------------------------------------------------


def test_the_origin_sees_the_name_asked_for_or_the_one_that_is_set(edge, origin):
    plain = DomainFactory(origin__port=origin.port)
    other = DomainFactory(origin__port=origin.port, origin__host_header="bucket.example")
    known(edge, plain)
    known(edge, other)
    edge.get(plain.host, "/plain")
    edge.get(other.host, "/other")
    asked = {request.path: request.headers for request in origin.requests}
    assert asked["/plain"]["Host"] == plain.host
    assert asked["/other"]["Host"] == "bucket.example"
    assert asked["/other"]["X-Forwarded-Host"] == other.host
    assert asked["/other"]["X-Forwarded-For"] == "127.0.0.1"
    assert asked["/other"]["Via"] == "1.1 edge-1 (cirrus)"
    assert not [name for headers in asked.values() for name in headers if name.startswith("X-Cirrus")]


@pytest.mark.parametrize("kept", ["max-age=60", "no-store"])
def test_the_next_origin_gets_its_own_host_header(edge, start_origin, kept):
    first, second = start_origin(), start_origin()
    second.answer = lambda request: OriginAnswer(headers=(("Cache-Control", kept),))
    domain = DomainFactory(origin__port=first.port, origin__host_header="first.example")
    OriginFactory(domain=domain, port=second.port, backup=True, host_header="second.example")
    known(edge, domain)
    first.stop()
    edge.get(domain.host, "/failed-over")
    edge.get(domain.host, "/failed-over")  # past the cache where it is not kept
    assert {request.headers["Host"] for request in second.requests} == {"second.example"}


def test_a_client_cannot_speak_to_the_inside(edge, origin):
    victim = DomainFactory(origin__port=origin.port, origin__host_header="victim.example")
    domain = DomainFactory(origin__port=origin.port)
    known(edge, victim)
    known(edge, domain)
    edge.get(domain.host, "/x", headers={"X-Cirrus-Key": victim.host, "X-Cirrus-Times": "1 2 3 4"})
    assert origin.requests[-1].headers["Host"] == domain.host


def test_an_origin_cannot_speak_to_nginx(edge, origin):
    origin.answer = lambda request: OriginAnswer(
        body=b"public",
        headers=(("X-Accel-Redirect", "/secret"), ("X-Accel-Expires", "999"), ("X-Cirrus-Times", "7 8 9 0")),
    )
    domain = known(edge, DomainFactory(origin__port=origin.port, origin__host="127.0.0.1"))
    answer = edge.get(domain.host, "/x")
    assert answer.text == "public"
    assert not [name for name in answer.headers if name.lower().startswith(("x-accel", "x-cirrus"))]
    assert origin.asked("/secret") == 0


def test_a_circle_is_broken(edge):
    domain = DomainFactory(origin__port=edge.http_port)
    known(edge, domain)
    assert edge.get(domain.host, "/round").status_code == 508


def test_long_urls_and_answers_with_many_headers_pass_and_are_kept(edge, origin):
    many = (("Content-Security-Policy", "a" * 12_000), ("Cache-Control", "max-age=60"))
    origin.answer = lambda request: OriginAnswer(body=b"long", headers=many)
    domain = known(edge, DomainFactory(origin__port=origin.port))
    for path in ("/short", "/" + "long" * 1_700):
        answers = [edge.get(domain.host, path) for _ in range(2)]
        assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "HIT"]
        assert {len(answer.headers["Content-Security-Policy"]) for answer in answers} == {12_000}


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET / HTTP/1.1\r\nHost: HOST\r\nHost: other.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: HOST/../x\r\n\r\n",
        b"GET /%2e%2e/secret HTTP/1.1\r\nHost: HOST\r\n\r\n",
        b"GET /a%00b HTTP/1.1\r\nHost: HOST\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"CONNECT other.example:80 HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ],
)
def test_a_request_that_can_be_read_in_two_ways_ends_at_the_edge(edge, origin, request_text):
    domain = known(edge, DomainFactory(origin__port=origin.port))
    asked = len(origin.requests)
    with socket.create_connection(("127.0.0.1", edge.http_port), timeout=10) as client:
        client.sendall(request_text.replace(b"HOST", domain.host.encode()))
        assert b" 400 " in client.recv(4096).split(b"\r\n")[0]
    assert len(origin.requests) == asked


def test_a_body_reaches_the_origin_whole(edge, origin):
    domain = known(edge, DomainFactory(origin__port=origin.port))
    body = b"0123456789" * 300_000
    assert edge.request("PUT", domain.host, "/upload", data=body).status_code == 200
    assert [request.body for request in origin.requests if request.path == "/upload"] == [body]


# -- TLS --------------------------------------------------------------------------------------------


@pytest.fixture
def tls_origin(tmp_path, start_origin):
    context, trusted = certificate_for("origin.example.com", folder=tmp_path)
    return start_origin(tls=context), str(trusted)


def https_domain(port, **options):
    return DomainFactory(
        **{
            "origin__scheme": OriginRow.Scheme.HTTPS,
            "origin__port": port,
            **{f"origin__{name}": value for name, value in options.items()},
        }
    )


def test_an_https_origin_must_prove_its_name(one_node, tls_origin, start_edge):
    origin, trusted = tls_origin
    edge = start_edge("edge-1", CIRRUS_EDGE_CA_BUNDLE=trusted)
    right = known(edge, https_domain(origin.port, sni="origin.example.com"))
    wrong = known(edge, https_domain(origin.port, sni="other.example.com"))
    lenient = known(edge, https_domain(origin.port, sni="other.example.com", verify=False))
    assert edge.get(right.host, "/x").status_code == 200
    assert edge.get(wrong.host, "/x").status_code == 502
    assert edge.get(lenient.host, "/x").status_code == 200
    assert edge.get(right.host, "/y").status_code == 200  # and its good name is not borrowed either
    assert edge.get(wrong.host, "/y").status_code == 502


def test_an_https_origin_that_nobody_vouches_for_is_refused(edge, tls_origin):
    origin, _ = tls_origin
    domain = known(edge, https_domain(origin.port, sni="origin.example.com"))
    assert edge.get(domain.host, "/x").status_code == 502


# -- names and networks -----------------------------------------------------------------------------


def test_an_origin_is_found_by_its_name_and_by_its_last_address_while_dns_fails(
    one_node, name_server, start_edge, origin
):
    name_server.records["origin.example.com"] = ["127.0.0.1"]
    edge = start_edge("edge-1", CIRRUS_EDGE_RESOLVERS=name_server.address)
    domain = known(edge, DomainFactory(origin__host="origin.example.com", origin__port=origin.port))
    assert edge.get(domain.host, "/1").text == f"/1 from {origin.port}"
    name_server.failing = True
    asked, paths = len(name_server.questions), count()
    eventually(lambda: edge.get(domain.host, f"/{next(paths)}").ok and len(name_server.questions) > asked)
    for number in range(20):
        assert edge.get(domain.host, f"/failing-{number}").ok
    lost = known(edge, DomainFactory(origin__host="lost.example.com", origin__port=origin.port))
    assert edge.get(lost.host, "/x").status_code == 502


def test_another_address_of_a_name_is_tried_when_one_fails(one_node, name_server, start_edge, origin):
    name_server.records["origin.example.com"] = ["127.0.0.2", "127.0.0.1", "127.0.0.3"]
    edge = start_edge("edge-1", CIRRUS_EDGE_RESOLVERS=name_server.address)
    domain = known(edge, DomainFactory(origin__host="origin.example.com", origin__port=origin.port))
    assert all(edge.get(domain.host, f"/{number}").ok for number in range(10))


def test_a_machine_without_ipv6_reaches_a_name_that_has_much_of_it(one_node, name_server, start_edge, origin):
    name_server.records["origin.example.com"] = ["127.0.0.1", *(f"2001:db8::{n}" for n in range(1, 9))]
    edge = start_edge("edge-1", CIRRUS_EDGE_RESOLVERS=name_server.address)
    row = {"origin__port": origin.port, "origin__connect_timeout": 100}
    domain = known(edge, DomainFactory(origin__host="origin.example.com", **row))
    assert {edge.get(domain.host, f"/{number}").status_code for number in range(10)} == {200}


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "::1"])
def test_a_name_that_points_into_a_forbidden_network_leads_nowhere(
    one_node, name_server, start_edge, origin, address
):
    name_server.records["rebound.example.com"] = [address]
    edge = start_edge("edge-1", CIRRUS_EDGE_RESOLVERS=name_server.address, CIRRUS_ORIGIN_ALLOW="")
    domain = DomainFactory(origin__host="rebound.example.com", origin__port=origin.port)
    eventually(lambda: edge.get(domain.host).status_code == 502)
    assert origin.requests == []
    assert edge.metric("cirrus_origin_refused_total") >= 1
    assert "networks that edges never connect to" in edge.errors()
