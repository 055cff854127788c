"""Probing: whatever stands at a status port, a probe ends in time and says what is wrong."""

import asyncio
import json
import time

import pytest

from edge.health.probing import LONGEST, healthz_problem, healthz_view, probe_all
from nodes.models import Node
from tests.edge.status_ports import StatusPorts, answer, drip, flood, hang, healthz, raw
from tests.servers import free_port

LOOPBACK = ["127.0.0.0/8", "::1/128"]


@pytest.fixture
def ports():
    ports = StatusPorts()
    yield ports
    ports.stop()


def node_at(port: int, name: str = "edge-1", **more) -> Node:
    return Node(**{"name": name, "ipv4": "127.0.0.1", "status_port": port} | more)


def probed(*nodes: Node, timeout: float = 2.0, allow=LOOPBACK):
    return asyncio.run(probe_all(nodes, timeout=timeout, interval=5, allow=allow))


def found(port: int, **more):
    return probed(node_at(port), **more)["edge-1"]


def test_a_healthy_edge_is_ok_with_its_own_view(ports):
    body = healthz(
        "edge-1", cache={"free_bytes": 5, "min_free_bytes": 3}, origins={"errors": 2, "timeouts": 1}
    )
    probe = found(ports.open(answer(body)))

    assert (probe.ok, probe.why, probe.status) == (True, "", 200)
    assert 0 < probe.ms < 2000
    assert probe.view == {
        "rev": 7,
        "contact_age": 0.2,
        "free_bytes": 5,
        "min_free_bytes": 3,
        "origin_errors": 2,
        "origin_timeouts": 1,
    }


def test_a_warning_is_healthy_and_told(ports):
    probe = found(ports.open(answer(healthz("edge-1", status="warning", problems=["the log is full"]))))

    assert probe.ok
    assert probe.view["problems"] == ["the log is full"]


def test_an_ipv6_node_is_asked_at_its_ipv6_address(ports):
    port = ports.open(answer(healthz("edge-1")), host="::1")
    assert probed(node_at(port, ipv4=None, ipv6="::1"))["edge-1"].ok


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        (answer(healthz("edge-1", status="failing", problems=["no disk"]), status=503), "it says: no disk"),
        (answer(healthz("edge-1", status="failing"), status=503), "it says: its status is 503"),
        (answer(healthz("edge-1", status="failing")), "it says: its status is 200"),
        (answer(healthz("edge-2")), "another edge answers there: edge-2"),
        (answer(b"<html>"), "something else than an edge answers there (status 200)"),
        (answer(b'["ok"]'), "something else than an edge answers there (status 200)"),
        (answer(b""), "something else than an edge answers there (status 200)"),
        (answer(b"[" * 60_000), "something else than an edge answers there (status 200)"),
        (answer(b"", status=404), "something else than an edge answers there (status 404)"),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "what answers there does not speak HTTP"),
        (raw(b""), "what answers there does not speak HTTP"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"), "does not speak HTTP"),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000), "does not speak HTTP"),
        (raw(b"\x00\xff" * 50_000), "what answers there does not speak HTTP"),
        (answer(b" " * (LONGEST + 1)), "its answer is longer than 65,536 bytes"),
        (flood, "its answer is longer than 65,536 bytes"),
        (hang, "no whole answer within 0.5 s"),
        (drip, "no whole answer within 0.5 s"),
    ],
)
def test_what_is_not_a_healthy_edge_is_told_in_time(ports, behave, why):
    begun = time.monotonic()
    probe = found(ports.open(behave), timeout=0.5)

    assert not probe.ok
    assert why in probe.why
    assert time.monotonic() - begun < 3


def test_a_closed_port_is_told():
    probe = found(free_port())
    assert (probe.ok, probe.status) == (False, 0)
    assert "nothing can be connected to" in probe.why


def test_a_redirect_is_not_followed(ports):
    there = StatusPorts()
    goal = there.open(answer(healthz("edge-1")))
    here = ports.open(answer(b"", status=302, headers=f"Location: http://127.0.0.1:{goal}/healthz\r\n"))

    assert not found(here).ok
    assert there.connections == 0
    there.stop()


def test_a_compressed_bomb_is_not_unpacked(ports):
    body = b"\x1f\x8b" + b"\x00" * 1000
    assert not found(ports.open(answer(body, headers="Content-Encoding: gzip\r\n"))).ok


@pytest.mark.parametrize("address", ["169.254.169.254", "127.0.0.1"])
def test_an_address_that_is_not_allowed_is_not_even_connected_to(ports, address):
    port = ports.open(answer(healthz("edge-1")))
    probe = probed(node_at(port, status_address=address), allow=[])["edge-1"]

    assert not probe.ok
    assert probe.why.startswith("it is not asked: ")
    assert ports.connections == 0


def test_a_proxy_of_the_environment_is_not_used(ports, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert found(ports.open(answer(healthz("edge-1")))).ok


def test_a_connection_is_not_kept_for_the_next_round(ports):
    port = ports.open(answer(healthz("edge-1")))
    nodes = [node_at(port), node_at(port, "edge-2")]
    probed(*nodes)

    assert ports.connections == 2


def test_five_hundred_nodes_are_probed_well_within_one_interval_though_many_hang(ports):
    """Of 500: 340 answer (some by IPv6), 100 hang, 30 refuse, 30 never end."""
    kinds = {"hang": (ports.open(hang), 100), "flood": (ports.open(flood), 30), "closed": (free_port(), 30)}
    nodes = [node_at(port, f"{kind}-{n}") for kind, (port, count) in kinds.items() for n in range(count)]
    for n in range(20):
        port = ports.open(answer(healthz(f"v6-{n}")), host="::1")
        nodes.append(node_at(port, f"v6-{n}", ipv4=None, ipv6="::1"))
    for n in range(320):
        nodes.append(node_at(ports.open(answer(healthz(f"edge-{n}"))), f"edge-{n}"))
    begun = time.monotonic()
    probes = probed(*nodes)
    seconds = time.monotonic() - begun

    assert len(probes) == 500
    well = {name for name, probe in probes.items() if probe.ok}
    assert well == {node.name for node in nodes if node.name.startswith(("edge-", "v6-"))}
    assert seconds < 5


@pytest.mark.parametrize(
    "body",
    [
        {"status": "ok", "node": "edge-1", "rev": "7", "contact_age": True, "cache": [], "origins": 5},
        {"status": "ok", "node": "edge-1", "rev": 1e300, "redis": "x" * 1000, "catching_up": "no"},
        {"status": "ok", "node": "edge-1", "problems": "none", "cache": {"free_bytes": None}},
    ],
)
def test_what_an_edge_says_in_a_wrong_form_is_not_taken_over(body):
    text = json.dumps(body).encode()

    assert healthz_problem(text, status=200, node="edge-1") == ""
    assert healthz_view(text) == {}


def test_numbers_that_are_none_and_endless_complaints_are_cut():
    text = b'{"status": "ok", "node": "e", "rev": NaN, "domains": Infinity, "problems": ['
    text += b",".join([b'"' + b"x" * 1000 + b'"'] * 50) + b"]}"
    view = healthz_view(text)

    assert list(view) == ["problems"]
    assert [len(problem) for problem in view["problems"]] == [300] * 10
