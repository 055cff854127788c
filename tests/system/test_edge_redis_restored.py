"""Edges whose Redis was emptied, has shrunk or is an old copy."""

import os
import signal
import threading
from itertools import count

import pytest
import requests
from django.core.management import call_command
from redis import Redis

from edge import keyspace as names
from edge.models import Kind
from edge.services import edge_states
from tests.factories import DomainFactory
from tests.servers import eventually
from tests.system.configuration_world import announce, applied, published, serves

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


def test_a_flushed_redis_is_repaired_and_no_request_meets_a_wrong_configuration(edges, origin, keyspace):
    domain, removed = DomainFactory(origin__port=origin.port), DomainFactory(origin__port=origin.port)
    removed.delete()
    eventually(lambda: applied(edges, domain))
    wrong, over = [], threading.Event()

    def watch(edge):
        number = 0
        while not over.is_set():
            number += 1
            try:
                answers = edge.get(domain.host, f"/{number}"), edge.get(removed.host)
            except requests.ConnectionError:
                continue  # a killed worker takes the connections with it that it was answering
            if [answer.status_code for answer in answers] != [200, 404]:
                wrong.append(answers)

    watchers = [threading.Thread(target=watch, args=(edge,)) for edge in edges]
    for watcher in watchers:
        watcher.start()
    try:
        keyspace.client.flushall()
        eventually(lambda: all("holds no keyspace" in edge.errors() for edge in edges))
        call_command("sync_keyspace", "--repair")
        domain.default_ttl = 8
        domain.save()
        eventually(lambda: applied(edges, domain))
        for edge in edges:
            os.kill(edge.workers()[0], signal.SIGKILL)
        domain.default_ttl = 9
        domain.save()
        eventually(lambda: applied(edges, domain))
    finally:
        over.set()
        for watcher in watchers:
            watcher.join()
    assert wrong == []


def test_a_shrunken_index_never_means_forget(edge, origin, keyspace):
    domains = [DomainFactory(origin__port=origin.port) for _ in range(3)]
    eventually(lambda: applied([edge], domains[-1]))
    keyspace.client.zrem(names.index_key(Kind.DOMAIN), domains[0].host)
    keyspace.client.delete(names.document_key(Kind.DOMAIN, domains[0].host), names.CHANGES)
    keyspace.client.hset(names.META, names.META_LAST, "1-1")
    eventually(lambda: edge.health()["status"] == "warning")
    assert all(serves(edge, origin, domain.host) for domain in domains)
    assert "no longer lists" in edge.health()["problems"][0]
    state = next(state for state in edge_states() if state.node.name == "edge-1")
    assert state.orphan_names == [f"domain:{domains[0].host}"]
    call_command("sync_keyspace", "--repair")
    eventually(lambda: edge.health()["status"] == "ok")


def test_an_older_revision_is_not_taken_unless_the_epoch_is_newer(edge, origin, start_origin, keyspace):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], domain))
    document, other = published(keyspace, domain.host), start_origin()
    document["origins"][0]["port"] = other.port
    older = {**document, "rev": document["rev"] - 1}
    place = announce(keyspace, domain.host, older, epoch=document["epoch"], rev=document["rev"])
    eventually(lambda: keyspace.client.hget(names.ack_key("edge-1"), "stream") == place)
    assert serves(edge, origin, domain.host, "/older")
    restored = {**document, "rev": 1, "epoch": document["epoch"] + 1}
    announce(keyspace, domain.host, restored, epoch=document["epoch"] + 1, rev=1)
    paths = count()  # each asked for once: what the old origin said would be kept
    eventually(lambda: serves(edge, other, domain.host, f"/restored-{next(paths)}"))


def test_an_old_copy_of_redis_brings_nothing_back_that_was_withdrawn(edge, origin, keyspace):
    deleted, kept = DomainFactory(origin__port=origin.port), DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], deleted) and applied([edge], kept))
    raw = Redis(port=keyspace.port)
    copy = {key: raw.dump(key) for key in raw.keys("cdn:*") if not key.startswith(b"cdn:ack")}
    deleted.delete()
    eventually(lambda: edge.get(deleted.host).status_code == 404)
    killed, snapshot = edge.workers()[0], edge.folder / "snapshot"
    written = snapshot.stat().st_ino
    os.kill(killed, signal.SIGKILL)  # after which the snapshot is written anew
    eventually(lambda: snapshot.exists() and snapshot.stat().st_ino != written)
    edge.stop()
    keyspace.client.flushall()
    for key, value in copy.items():
        raw.restore(key, 0, value)
    edge.start()
    eventually(lambda: "comparing with the whole index" in edge.errors().rsplit("start worker", 1)[1])
    later = keyspace.client.xadd(names.CHANGES, {"kind": "domain"})
    eventually(lambda: keyspace.client.hget(names.ack_key("edge-1"), "stream") == later)
    assert edge.get(deleted.host).status_code == 404
    assert serves(edge, origin, kept.host)
