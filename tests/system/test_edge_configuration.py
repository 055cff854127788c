"""From a save in the control plane to what real edges serve, through every failure on the way."""

import json
import os
import resource
import signal
import threading
from itertools import count

import pytest
import requests
from django.core.management import call_command
from redis import Redis

from domains.models import Domain
from edge import keyspace as names
from edge.models import Kind
from edge.outbox import flush
from edge.services import change_status, edge_states, publication_status, publication_statuses
from tests.factories import DomainFactory, HostNameFactory
from tests.servers import eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


def serves(edge, origin, host, path="/"):
    answer = edge.get(host, path)
    return answer.status_code == 200 and answer.text.endswith(f"from {origin.port}")


def applied(edges, domain):
    """Every edge has applied what is published of the domain."""
    status = publication_status(kind=Kind.DOMAIN, object_id=domain.pk)
    return status.tone == "ok" and status.applied_by >= len(edges)


# -- saves ------------------------------------------------------------------------------------------


def test_a_saved_domain_is_served_by_every_edge_first_as_a_miss_then_as_a_hit(edges, origin):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied(edges, domain))
    for edge in edges:
        answers = [edge.get(domain.host, "/a") for _ in range(2)]
        assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "HIT"]
        assert {answer.text for answer in answers} == {f"/a from {origin.port}"}
    status = publication_status(kind=Kind.DOMAIN, object_id=domain.pk)
    assert status.sentence.startswith("on 2 of 2 edges, 0.")
    assert {edge.answer for edge in change_status(rev=status.rev).edges} == {"applied"}


def test_a_changed_origin_is_used_by_every_edge_at_once(edges, origin, start_origin):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied(edges, domain))
    other = start_origin()
    entry = domain.origins.get()
    entry.port = other.port
    entry.save()
    eventually(lambda: applied(edges, domain))
    assert all(serves(edge, other, domain.host, "/new") for edge in edges)


def test_an_unknown_host_gets_404_and_is_not_passed_on(edge, origin):
    DomainFactory(origin__port=origin.port)
    assert edge.get("unknown.example").status_code == 404
    assert edge.get("127.0.0.1").status_code == 404
    assert edge.get("a" * 300 + ".example").status_code == 404
    assert origin.requests == []


def test_renaming_a_domain_withdraws_its_old_name(edge, origin):
    domain = DomainFactory(origin__port=origin.port)
    old = domain.host
    eventually(lambda: serves(edge, origin, old))
    domain.host = "new." + old
    domain.save()
    eventually(lambda: edge.get(old).status_code == 404)
    assert serves(edge, origin, "new." + old)


def test_a_disabled_domain_and_a_deleted_one_are_withdrawn(edge, origin):
    one, two = DomainFactory(origin__port=origin.port), DomainFactory(origin__port=origin.port)
    eventually(lambda: serves(edge, origin, one.host) and serves(edge, origin, two.host))
    one.enabled = False
    one.save()
    two.delete()
    eventually(lambda: [edge.get(d.host).status_code for d in (one, two)] == [404, 404])
    one.enabled = True
    one.save()
    eventually(lambda: serves(edge, origin, one.host))


def test_the_exact_name_beats_the_nearest_wildcard_which_beats_the_farther(edge, start_origin):
    exact, near, far = start_origin(), start_origin(), start_origin()
    DomainFactory(host="*.example.com", origin__port=far.port)
    DomainFactory(host="*.b.example.com", origin__port=near.port)
    last = DomainFactory(host="a.b.example.com", origin__port=exact.port)
    eventually(lambda: edge.health()["domains"] == 3)
    assert serves(edge, exact, last.host)
    assert serves(edge, near, "x.y.b.example.com")
    assert serves(edge, far, "b.example.com")
    assert edge.get("example.com").status_code == 404
    assert serves(edge, exact, "A.B.EXAMPLE.com.:80")


def test_an_alias_moves_from_one_domain_to_another(edge, start_origin):
    first, second = start_origin(), start_origin()
    one, two = DomainFactory(origin__port=first.port), DomainFactory(origin__port=second.port)
    alias = HostNameFactory(domain=one, name="moving.example")
    eventually(lambda: serves(edge, first, "moving.example", "/1"))
    alias.domain = two
    alias.save()
    flush()
    eventually(lambda: serves(edge, second, "moving.example", "/2"))
    one.notes = "saved again, and must not take the name back"
    one.default_ttl = 7
    one.save()
    eventually(lambda: applied([edge], one))
    assert serves(edge, second, "moving.example", "/3")


# -- Redis away -------------------------------------------------------------------------------------


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


# -- Redis emptied, shrunken, restored --------------------------------------------------------------


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


def published(keyspace, host):
    return json.loads(keyspace.client.get(names.document_key(Kind.DOMAIN, host)))


def announce(keyspace, host, document, **entry):
    """Put a document into Redis as if the control plane had, whatever it says."""
    client = keyspace.client
    text = document if isinstance(document, str) else json.dumps(document)
    client.set(names.document_key(Kind.DOMAIN, host), text)
    last = client.hget(names.META, names.META_LAST)
    fields = {"kind": "domain", "key": host, "op": "put", "prev": last, **entry}
    stream_id = client.xadd(names.CHANGES, fields)
    client.hset(names.META, mapping={names.META_LAST: stream_id})
    return stream_id


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


# -- documents that are not right -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda document: "{", "JSON"),
        (lambda document: "7", "JSON"),
        (lambda document: {**document, "schema": 99}, "schema"),
        (lambda document: {**document, "origins": []}, "origins"),
        (lambda document: {**document, "host": "other.example"}, "other.example"),
    ],
)
def test_a_malformed_document_is_refused_and_reported_and_the_last_good_one_stays(
    edge, origin, keyspace, spoil, why
):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], domain))
    good = published(keyspace, domain.host)
    rev = good["rev"] + 1
    announce(keyspace, domain.host, spoil({**good, "rev": rev}), epoch=good["epoch"], rev=rev)
    refused = eventually(lambda: json.loads(keyspace.client.hget(names.ack_key("edge-1"), "refusals")))
    assert refused[f"domain:{domain.host}"]["rev"] == rev
    assert why in refused[f"domain:{domain.host}"]["why"]
    assert serves(edge, origin, domain.host, "/still")
    assert edge.health()["status"] == "warning"
    assert edge.metric("cirrus_config_errors_total") == 1
    edge.stop()
    edge.start()
    assert serves(edge, origin, domain.host, "/restarted")


def test_a_refused_document_is_still_refused_after_a_restart_and_says_so(edge, origin, keyspace):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], domain))
    good = published(keyspace, domain.host)
    rev = good["rev"] + 1
    keyspace.client.zadd(names.index_key(Kind.DOMAIN), {domain.host: rev})
    announce(keyspace, domain.host, {**good, "rev": rev, "origins": []}, epoch=good["epoch"], rev=rev)
    eventually(lambda: edge.health()["config_errors"] == 1)
    edge.stop()
    edge.start()
    eventually(lambda: edge.health()["config_errors"] == 1)  # else its page would say: applied
    refused = eventually(lambda: json.loads(keyspace.client.hget(names.ack_key("edge-1"), "refusals")))
    assert refused[f"domain:{domain.host}"]["rev"] == rev


def test_a_document_without_room_leaves_everything_as_it_was(one_node, start_edge, start_origin, keyspace):
    edge = start_edge("edge-1", CIRRUS_EDGE_CONFIG_MEMORY="1m")
    one, two = start_origin(), start_origin()
    domain, other = DomainFactory(origin__port=one.port), DomainFactory(origin__port=two.port)
    HostNameFactory(domain=domain, name="kept.example")
    HostNameFactory(domain=other, name="a0000.example")
    eventually(lambda: applied([edge], domain) and applied([edge], other))
    good = published(keyspace, domain.host)
    rev = published(keyspace, other.host)["rev"] + 1
    many = [f"a{number:04}.example" for number in range(9000)]
    announce(keyspace, domain.host, {**good, "rev": rev, "aliases": many}, epoch=good["epoch"], rev=rev)
    eventually(lambda: edge.health()["config_errors"] == 1)
    assert serves(edge, one, domain.host, "/1")
    assert serves(edge, one, "kept.example", "/2")
    assert serves(edge, two, "a0000.example", "/3")
    assert edge.get("a0001.example").status_code == 404
    assert "raise CIRRUS_EDGE_CONFIG_MEMORY" in edge.errors()


def test_what_a_stranger_writes_to_the_stream_is_looked_at_once(edge, origin, keyspace):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], domain))
    before = edge.errors().count("comparing with the whole index")
    strange = keyspace.client.xadd(names.CHANGES, {"kind": "domain"})
    eventually(lambda: keyspace.client.hget(names.ack_key("edge-1"), "stream") == strange)
    announce(keyspace, domain.host, "{", epoch="no number", rev="none")
    domain.default_ttl = 9
    domain.save()
    eventually(lambda: applied([edge], domain))
    assert edge.errors().count("comparing with the whole index") - before <= 3


def test_more_refusals_than_can_be_listed_make_no_document_look_applied(edge, origin, keyspace):
    domains = [DomainFactory(origin__port=origin.port) for _ in range(22)]
    eventually(lambda: applied([edge], domains[-1]))
    good = [published(keyspace, domain.host) for domain in domains]
    rev = max(document["rev"] for document in good)
    for number, (domain, document) in enumerate(zip(domains, good, strict=True), start=rev + 1):
        announce(keyspace, domain.host, {**document, "origins": []}, epoch=document["epoch"], rev=number)
    cut = eventually(lambda: keyspace.client.hget(names.ack_key("edge-1"), "refusals_cut") == "1")
    assert cut
    tones = {
        status.tone
        for status in publication_statuses(kind=Kind.DOMAIN, object_ids=[d.pk for d in domains]).values()
    }
    assert tones == {"refused"}
    assert serves(edge, origin, domains[-1].host, "/still")
    call_command("sync_keyspace", "--repair")
    edge.reload()  # compares with the index, and so finds that nothing is refused any more
    eventually(lambda: all(applied([edge], domain) for domain in domains))


# -- processes --------------------------------------------------------------------------------------


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
