"""Edges whose Redis is dead, hangs, or has left them behind."""

import os
import signal

import pytest

from edge import keyspace as names
from edge.models import Kind
from edge.outbox import flush
from edge.services import publication_status
from tests.factories import DomainFactory
from tests.servers import eventually
from tests.system.configuration_world import applied, serves

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


def test_an_edge_serves_on_without_redis_and_catches_up_by_itself(edges, origin, start_origin, keyspace):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied(edges, domain))
    keyspace.stop()
    assert all(serves(edge, origin, domain.host, "/without") for edge in edges)
    other = start_origin()
    entry = domain.origins.get()
    entry.port = other.port
    entry.save()
    later = DomainFactory(origin__port=other.port)
    status = publication_status(kind=Kind.DOMAIN, object_id=domain.pk)
    assert status.tone == "pending"
    assert "Redis" in status.sentence
    keyspace.start()
    flush()
    eventually(lambda: applied(edges, domain) and applied(edges, later))
    assert all(serves(edge, other, domain.host, "/after") for edge in edges)
    assert all("whole index: entries" not in edge.errors() for edge in edges)  # from its last id


def test_an_edge_that_restarts_while_redis_is_dead_boots_from_its_snapshot(edge, origin, keyspace):
    domain = DomainFactory(origin__port=origin.port)
    gone = DomainFactory(origin__port=origin.port)
    gone.delete()
    eventually(lambda: serves(edge, origin, domain.host) and edge.health()["domains"] == 1)
    keyspace.stop()
    edge.stop(signal.SIGKILL)
    edge.start()
    assert serves(edge, origin, domain.host, "/booted")
    assert edge.get(gone.host).status_code == 404
    assert edge.health()["redis"] == "unreachable"
    keyspace.start()
    domain.default_ttl = 9
    domain.save()
    eventually(lambda: applied([edge], domain))


def test_a_hanging_redis_holds_no_request_up(edge, origin, keyspace):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: serves(edge, origin, domain.host))
    os.kill(keyspace.process.pid, signal.SIGSTOP)
    try:
        for number in range(50):
            assert edge.get(domain.host, f"/{number}").elapsed.total_seconds() < 1
    finally:
        os.kill(keyspace.process.pid, signal.SIGCONT)


def test_requests_cost_redis_nothing(edge, origin, keyspace):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: serves(edge, origin, domain.host))

    def reads():
        stats = keyspace.client.info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("get", "mget", "zrange"))

    before = reads()
    for number in range(100):
        edge.get(domain.host, f"/{number % 10}")
        edge.get(f"unknown-{number}.example")
    assert reads() == before


def test_an_edge_that_was_away_past_the_end_of_the_stream_compares_the_index(edge, origin, keyspace):
    kept, dropped = DomainFactory(origin__port=origin.port), DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], dropped))
    edge.stop()
    dropped.delete()
    late = DomainFactory(origin__port=origin.port)
    keyspace.client.xtrim(names.CHANGES, maxlen=0)
    edge.start()
    eventually(lambda: serves(edge, origin, late.host))
    assert serves(edge, origin, kept.host)
    assert edge.get(dropped.host).status_code == 404
