"""Workers, reloads and snapshots: what an edge knows through all of them."""

import os
import resource
import signal

import pytest

from domains.models import Domain
from edge import keyspace as names
from tests.factories import DomainFactory
from tests.servers import eventually
from tests.system.configuration_world import applied, serves

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


def test_a_killed_worker_is_replaced_by_one_that_knows_and_learns(edge, origin):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], domain))
    killed = edge.workers()[0]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: killed not in edge.workers() and serves(edge, origin, domain.host, "/1"))
    domain.default_ttl = 9
    domain.save()
    eventually(lambda: applied([edge], domain))
    assert edge.errors().count("comparing with the whole index") <= 1


def test_what_a_killed_worker_had_not_written_down_is_in_the_snapshot_all_the_same(edge, origin, keyspace):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], domain))
    os.truncate(edge.folder / "snapshot", 0)  # as if it had been killed before it wrote
    killed = edge.workers()[0]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: domain.host in (edge.folder / "snapshot").read_text())
    keyspace.stop()
    edge.stop()
    edge.start()
    assert serves(edge, origin, domain.host)


def test_an_acknowledged_change_is_used_by_every_worker(one_node, start_edge, origin, start_origin):
    edge = start_edge("edge-1", CIRRUS_EDGE_WORKERS="3")
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], domain))
    for _ in range(5):
        other = start_origin()
        entry = domain.origins.get()
        entry.port = other.port
        entry.save()
        eventually(lambda: applied([edge], domain))
        assert all(serves(edge, other, domain.host, f"/{other.port}/{number}") for number in range(12))


def test_a_reload_loses_nothing_and_hands_the_subscription_over(edge, origin):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], domain))
    edge.reload()
    assert serves(edge, origin, domain.host, "/1")
    later = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], later))
    assert serves(edge, origin, later.host)


def test_a_full_disk_leaves_no_gap_in_the_snapshot(edge, origin, keyspace):
    first = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], first))
    worker = edge.workers()[0]
    size = (edge.folder / "snapshot").stat().st_size
    usual = resource.prlimit(worker, resource.RLIMIT_FSIZE, (size + 50, resource.RLIM_INFINITY))
    second = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.health()["status"] == "warning")
    assert "could not write the snapshot" in edge.health()["problems"][0]
    resource.prlimit(worker, resource.RLIMIT_FSIZE, usual)
    third = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], third) and edge.health()["status"] == "ok")
    keyspace.stop()
    edge.stop()
    edge.start()
    assert all(serves(edge, origin, domain.host) for domain in (first, second, third))


def test_an_edge_finds_redis_by_name(one_node, start_edge, origin, keyspace):
    edge = start_edge("edge-1", CIRRUS_EDGE_REDIS_URL=f"redis://localhost:{keyspace.port}")
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: serves(edge, origin, domain.host))


@pytest.mark.parametrize("damage", ["torn", "garbage", "flipped"])
def test_a_damaged_snapshot_is_used_up_to_the_damage(edge, origin, keyspace, damage):
    first = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], first))
    second = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], second))
    edge.stop()
    snapshot = edge.folder / "snapshot"
    content = snapshot.read_bytes()
    start = content.index(b"put domain " + second.host.encode())
    if damage == "torn":
        snapshot.write_bytes(content[: start + 40])
    elif damage == "garbage":
        snapshot.write_bytes(content + b"\x00\xffrubbish\nput domain x y z\n")
    else:
        snapshot.write_bytes(content[: start + 200] + b"\x01" + content[start + 201 :])
    keyspace.stop()
    edge.start()
    assert serves(edge, origin, first.host)
    assert edge.get(second.host).status_code == (200 if damage == "garbage" else 404)
    keyspace.start()
    eventually(lambda: serves(edge, origin, second.host))
    edge.stop()
    keyspace.stop()
    edge.start()
    assert serves(edge, origin, second.host, "/whole-again")


def test_an_edge_with_nothing_says_so_and_serves_nothing_wrong(start_edge, transactional_db, keyspace):
    edge = start_edge("edge-1", wait=False)
    eventually(edge.health)
    assert edge.get("www.example.com").status_code == 503
    assert edge.health()["status"] == "failing"


def test_the_acknowledgement_says_how_far_and_how_well(edge, origin, keyspace):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], domain))
    ack = keyspace.client.hgetall(names.ack_key("edge-1"))
    assert set(ack) == set(names.ACK_FIELDS)
    assert ack["state"] == "live"
    assert abs(float(ack["skew"])) < 0.5
    assert ack["domains"] == "1"
    assert Domain.objects.count() == 1
