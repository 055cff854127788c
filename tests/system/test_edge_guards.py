"""Requests made to get into others' keys, variants and answers, through a real edge."""

import os
import re
import socket
from itertools import count
from pathlib import Path

import pytest

from cirrus_site.config import BASE_DIR
from domains.models import Domain
from edge.models import Publication
from tests.factories import CacheConditionFactory, CacheRuleFactory, DomainFactory, OriginFactory
from tests.servers import OriginAnswer, certificate_for, eventually, free_port

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

FRESH = ("Cache-Control", "max-age=600")


@pytest.fixture
def domain(edge, origin):
    """A domain whose origin answers with what it was asked, and counts."""
    numbers = count(1)

    def answer(request):
        said = {name.lower(): value for name, value in request.headers.items()}
        wanted = [said.get(name, "-") for name in ("x-currency", "cookie", "accept-encoding")]
        varies = (("Vary", "Accept-Encoding"),) if request.path.startswith("/vary/") else ()
        return OriginAnswer(body=f"{'|'.join(wanted)}|{next(numbers)}".encode(), headers=(FRESH, *varies))

    origin.answer = answer
    return known(edge, DomainFactory(origin__port=origin.port))


def known(edge, domain: Domain) -> Domain:
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    return domain


def ruled(edge, domain: Domain, **actions) -> None:
    CacheConditionFactory(rule=CacheRuleFactory(domain=domain, **actions), values="/shop/")
    rev = Publication.objects.get(kind="domain", object_id=domain.pk).rev
    eventually(lambda: edge.health()["rev"] >= rev)


def sent(edge, domain: Domain, path: str, *lines: str, method: str = "GET") -> tuple[str, str]:
    """Send these lines as they are: X-Cache and the body of the answer."""
    head = "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {domain.host}", *lines, "Connection: close"])
    with socket.create_connection(("127.0.0.1", edge.http_port), timeout=30) as client:
        client.sendall(f"{head}\r\n\r\n".encode())
        head, _, body = client.makefile("rb").read().decode().partition("\r\n\r\n")
    (cache,) = [line[9:] for line in head.split("\r\n") if line.startswith("X-Cache: ")]
    return cache, body


# -- headers that stand in several lines -----------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_empty_line_does_not_carry_another_one_past_the_guard(edge, origin, domain, method):
    lines = ("X-Original-URL:", "X-Original-URL: /admin", "X-Kept: 1")
    if method == "POST":
        lines += ("Content-Length: 0",)
    sent(edge, domain, f"/a-{method}", *lines, method=method)
    got = {name.lower() for name in origin.requests[-1].headers}
    assert "x-original-url" not in got
    assert "x-kept" in got


def test_what_a_rule_has_in_the_key_reaches_the_origin_and_nothing_else_does(edge, origin, domain):
    ruled(edge, domain, key_headers="x-original-url")
    for path, method in (("/shop/a", "GET"), ("/shop/b", "POST")):
        edge.request(method, domain.host, path, headers={"X-Original-URL": "/x", "X-Rewrite-URL": "/y"})
        got = origin.requests[-1].headers
        assert got["X-Original-URL"] == "/x"
        assert "X-Rewrite-URL" not in got
    assert sent(edge, domain, "/shop/a", "X-Original-URL: /x")[0] == "HIT"
    assert sent(edge, domain, "/shop/a", "X-Original-URL: /z")[0] == "MISS"


@pytest.mark.parametrize("guard", [True, False])
def test_the_guard_holds_for_https_origins_and_for_the_second_one_that_is_tried(
    one_node, start_edge, start_origin, tmp_path, guard
):
    context, trusted = certificate_for("origin.example.com", folder=tmp_path)
    edge, secure, plain = (
        start_edge(CIRRUS_EDGE_CA_BUNDLE=str(trusted)),
        start_origin(tls=context),
        start_origin(),
    )
    https = {"origin__scheme": "https", "origin__port": secure.port, "origin__sni": "origin.example.com"}
    domains = [
        DomainFactory(guard=guard, **https),
        DomainFactory(guard=guard, **https, origin__verify=False),
        DomainFactory(guard=guard, origin__port=free_port()),  # nobody listens there
    ]
    OriginFactory(domain=domains[2], port=plain.port, backup=True)
    for domain, origin in zip(domains, (secure, secure, plain), strict=True):
        known(edge, domain)
        for method in ("GET", "PUT"):
            edge.request(method, domain.host, f"/{method}", headers={"X-Original-URL": "/x", "X-Kept": "1"})
            assert origin.requests[-1].path == f"/{method}"
            assert origin.requests[-1].headers["X-Kept"] == "1"
            assert ("X-Original-URL" in origin.requests[-1].headers) is not guard


@pytest.mark.parametrize(
    ("actions", "lines", "victim"),
    [
        ({"key_headers": "x-currency"}, ("X-Currency: EUR", "X-Currency: USD"), "X-Currency: EUR"),
        ({"key_headers": "x-currency"}, ("X-Currency:", "X-Currency: USD"), "X-Currency:"),
        ({"key_cookies": "currency"}, ("Cookie: currency=EUR; currency=USD",), "Cookie: currency=EUR"),
        (
            {"key_cookies": "currency"},
            ("Cookie: currency=EUR", "Cookie: currency=USD"),
            "Cookie: currency=EUR",
        ),
        ({"key_cookies": "currency"}, ("Cookie: Currency=EUR; currency=USD",), "Cookie: currency=EUR"),
        ({"key_device": True}, ("User-Agent: iPhone", "User-Agent: Firefox"), "User-Agent: iPhone"),
    ],
)
def test_who_says_a_part_of_the_key_twice_is_served_past_the_cache(edge, domain, actions, lines, victim):
    ruled(edge, domain, **actions)
    assert [sent(edge, domain, "/shop/a", *lines)[0] for _ in range(2)] == ["BYPASS"] * 2
    cache, body = sent(edge, domain, "/shop/a", victim)
    assert (cache, "USD" in body) == ("MISS", False)
    assert sent(edge, domain, "/shop/a", victim) == ("HIT", body)
    assert sent(edge, domain, "/shop/a", *lines)[0] == "BYPASS"


def test_a_header_cannot_be_hidden_behind_many_others(edge, domain):
    ruled(edge, domain, key_headers="x-currency")
    others = [f"X-{number}: 1" for number in range(150)]
    assert sent(edge, domain, "/shop/a", "X-Currency: EUR", *others, "X-Currency: USD")[0] == "BYPASS"


def test_a_condition_on_a_header_is_not_answered_by_one_of_two_lines(edge, domain):
    rule = CacheRuleFactory(domain=domain, edge_ttl=60)
    CacheConditionFactory(rule=rule, what="header", name="X-Currency", values="EUR")
    rev = Publication.objects.get(kind="domain", object_id=domain.pk).rev
    eventually(lambda: edge.health()["rev"] >= rev)
    assert sent(edge, domain, "/a", "X-Currency: EUR", "X-Currency: USD")[0] == "BYPASS"
    assert sent(edge, domain, "/a", "X-Currency: EUR")[0] == "MISS"


def test_memory_takes_no_variant_for_the_one_that_its_first_line_names(edge, domain):
    once, twice = ["Accept-Encoding: identity"], ["Accept-Encoding: identity", "Accept-Encoding: br"]
    odd = {sent(edge, domain, "/vary/odd-first", *twice)[1] for _ in range(12)}
    plain = {sent(edge, domain, "/vary/odd-first", *once)[1] for _ in range(2)}
    assert (len(odd), len(plain), odd & plain) == (1, 1, set())

    plain = {sent(edge, domain, "/vary/odd-last", *once)[1] for _ in range(12)}
    eventually(lambda: edge.metric('cirrus_memory_total{result="hit"}') > 0)
    odd = {sent(edge, domain, "/vary/odd-last", *twice)[1] for _ in range(12)}
    assert (len(odd), len(plain), odd & plain) == (1, 1, set())


# -- what is for the inside alone ------------------------------------------------------------------

#: Every header that the edge has for itself, wherever its own files name one.
SOURCES = [BASE_DIR / "edge" / "nginx" / "nginx.conf.j2", *(BASE_DIR / "edge" / "lua").rglob("*.lua")]
INSIDE = {name for file in SOURCES for name in re.findall(r"X-Cirrus-[A-Z][A-Za-z-]*", file.read_text())}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_edges_own_words_are_not_a_clients(edge, origin, domain, method):
    edge.request(method, domain.host, "/own", headers=dict.fromkeys(INSIDE, "evil"))
    assert len(INSIDE) > 10
    assert not [name for name in origin.requests[-1].headers if name.lower().startswith("x-cirrus")]


# -- sizes and times -------------------------------------------------------------------------------


def test_headers_that_fit_on_the_public_side_fit_inside(edge, domain):
    large = {"Cookie": "c=" + "k" * 7_000, "X-A": "a" * 7_000, "X-B": "b" * 1_000}
    for rules in range(2):
        path = "/shop/" + "y" * 6_500
        answers = [edge.get(domain.host, path + str(rules), headers=large) for _ in range(2)]
        assert [(answer.status_code, answer.headers["X-Cache"]) for answer in answers] == [
            (200, "MISS"),
            (200, "HIT"),
        ]
        if not rules:
            ruled(edge, domain, key_headers="x-a")


def test_parts_without_a_strong_etag_are_not_joined_from_two_versions(one_node, start_edge, origin):
    edge = start_edge("edge-1", CIRRUS_EDGE_SLICE_SIZE="1k")
    version = ["A"]

    def answer(request):
        wanted = request.headers.get("Range", "")
        if not wanted:
            return OriginAnswer(body=version[0].encode() * 4096, headers=(FRESH,))
        start = int(wanted.removeprefix("bytes=").split("-")[0])
        lifetime = ("Cache-Control", f"max-age={600 if start else 1}")
        return OriginAnswer(
            status=206,
            body=version[0].encode() * 1024,
            headers=(lifetime, ("Content-Range", f"bytes {start}-{start + 1023}/4096")),
        )

    origin.answer = answer
    domain = known(edge, DomainFactory(origin__port=origin.port))
    ruled(edge, domain, slices=True)
    assert edge.get(domain.host, "/shop/film").text == "A" * 4096
    version[0] = "B"
    texts = []

    def is_new():
        texts.append(edge.get(domain.host, "/shop/film").text)
        return "B" in texts[-1]

    eventually(is_new, every=0.2)
    assert texts[-1] == "B" * 4096


def test_no_connection_header_keeps_a_worker_busy(edge, domain):
    header = "Connection: " + ("close" + " " * 8) * 40 + "x"
    before = cpu_seconds(edge)
    caches = {sent(edge, domain, "/a", header)[0] for _ in range(10)}
    assert caches == {"NONE"}
    assert cpu_seconds(edge) - before < 0.5


def cpu_seconds(edge) -> float:
    """What the workers have computed so far."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in edge.workers()]
    return sum(int(stat[11]) + int(stat[12]) for stat in fields) / os.sysconf("SC_CLK_TCK")
