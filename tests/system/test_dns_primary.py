"""The hidden primary follows Redis, whatever becomes of it."""

import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from django.conf import settings

from dnszones.store import read_seen, remove_zone, write_version
from dnszones.zonedata import diff, encode_names
from edge import keyspace as keys
from edge.acl import dns_user
from tests.dnszones.published import (
    key,
    names,
    publish,
    publish_secondaries,
    secondary,
    soa,
    transfer,
)
from tests.servers import eventually
from tests.system.dns_world import APEX, sequences, serial_of

pytestmark = pytest.mark.system


def test_a_difference_has_just_what_changed(primary, redis_client):
    changed = names(APEX)
    changed["s1"] = (("A", 60, ("192.0.2.1", "192.0.2.2")), ("AAAA", 60, ("2001:db8::1",)))
    del changed["s2"]
    publish(redis_client, APEX, changed, serial=8)
    eventually(lambda: serial_of(primary) == 8)
    expected = (
        "difference",
        ['_rev.cdn.example. "7"', "s2.cdn.example. 192.0.2.1", "s2.cdn.example. 2001:db8::2"],
        ['_rev.cdn.example. "8"', "s1.cdn.example. 192.0.2.2"],
    )
    assert sequences(primary.port, 7) == expected
    assert sequences(primary.port, 7, tcp=False) == expected
    assert sequences(primary.port, 8) == sequences(primary.port, 9) == ("only", 8)
    assert sequences(primary.port, 5)[0] == "whole"
    assert sequences(primary.port, 5, tcp=False) == ("only", 8)  # too large for a packet: ask by TCP
    assert sequences(primary.port, 0)[0] == "whole"  # an NSD that has lost its zone asks so


def test_many_versions_are_one_difference_without_what_came_and_went(primary, redis_client):
    for serial, count in enumerate((4, 5, 3, 4), start=8):
        publish(redis_client, APEX, names(APEX, sites=count), serial=serial)
    eventually(lambda: serial_of(primary) == 11)
    kind, removed, added = sequences(primary.port, 7)
    assert (kind, removed) == ("difference", ['_rev.cdn.example. "7"'])
    assert added == ['_rev.cdn.example. "11"', "s3.cdn.example. 192.0.2.1", "s3.cdn.example. 2001:db8::3"]
    assert sequences(primary.port, 9)[0] == "difference"


def test_differences_survive_a_restart_and_only_the_last_versions_are_kept(
    redis_client, start_primary, settings
):
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"zone_journal": 3})
    publish_secondaries(redis_client, secondary())
    for serial in range(1, 8):
        publish(redis_client, APEX, names(APEX, sites=serial), serial=serial)
    primary = start_primary(CIRRUS_ZONE_JOURNAL="3")
    assert sequences(primary.port, 4)[0] == "difference"
    assert sequences(primary.port, 3)[0] == "whole"
    publish(redis_client, APEX, names(APEX, sites=8), serial=8)
    eventually(lambda: serial_of(primary) == 8)
    assert sequences(primary.port, 5)[0] == "difference"
    assert sequences(primary.port, 4)[0] == "whole"


def test_a_zone_that_only_changed_its_soa_is_a_difference_too(primary, redis_client):
    assert write_version(
        redis_client, APEX, expected_serial=7, serial=8, soa=replace(soa(APEX), refresh=900), changes={}
    )
    eventually(lambda: serial_of(primary) == 8)
    assert sequences(primary.port, 7) == ("difference", ['_rev.cdn.example. "7"'], ['_rev.cdn.example. "8"'])


def test_it_serves_on_while_redis_is_away_and_catches_up(primary, keyspace):
    keyspace.stop()
    eventually(lambda: primary.health()["redis"] != "up")
    assert primary.health()["ok"]
    assert serial_of(primary) == 7
    assert transfer(primary.port, APEX, tsig=key())
    keyspace.start()
    publish(keyspace.client, APEX, names(APEX, sites=9), serial=8)
    eventually(lambda: serial_of(primary) == 8)
    eventually(lambda: primary.health()["redis"] == "up")
    assert primary.metric("cirrus_primary_redis_up") == 1


def test_a_start_without_redis_waits_for_it_and_refuses_nothing_for_good(keyspace, start_primary):
    publish_secondaries(keyspace.client, secondary())
    publish(keyspace.client, APEX, names(APEX), serial=7)
    keyspace.stop()
    primary = start_primary(wait=False)
    assert not primary.health()["ok"]
    keyspace.start()
    eventually(lambda: serial_of(primary) == 7)


def test_an_emptied_redis_is_a_loss_and_not_an_order(primary, redis_client):
    redis_client.flushall()
    publish(
        redis_client, "b.example", names("b.example"), serial=1
    )  # and the index is complete, says somebody
    publish_secondaries(redis_client, secondary())
    eventually(lambda: serial_of(primary, "b.example") == 1)
    # b.example was confirmed after cdn.example had last been written, so that one is gone for good …
    eventually(lambda: serial_of(primary) == "REFUSED")


def test_without_the_word_that_the_index_is_complete_no_zone_is_dropped(primary, redis_client):
    redis_client.flushall()
    publish_secondaries(redis_client, secondary())
    texts = encode_names(names("b.example"))
    write_version(
        redis_client,
        "b.example",
        expected_serial=None,
        serial=1,
        soa=soa("b.example"),
        changes=diff({}, texts),
        full=True,
    )
    eventually(lambda: serial_of(primary, "b.example") == 1)
    assert serial_of(primary) == 7
    publish(redis_client, APEX, names(APEX, sites=1), serial=8)
    eventually(lambda: serial_of(primary) == 8)


def test_a_withdrawn_zone_is_refused_at_once(primary, redis_client):
    remove_zone(redis_client, APEX)
    eventually(lambda: serial_of(primary) == "REFUSED")
    assert primary.health()["zones"] == 0


def test_an_older_version_never_replaces_a_newer_one(primary, redis_client):
    publish(redis_client, "b.example", names("b.example"), serial=4_000_000_000)
    eventually(lambda: serial_of(primary, "b.example") == 4_000_000_000)
    publish(
        redis_client, "b.example", names("b.example", sites=4), serial=5
    )  # past the end of the circle: newer
    eventually(lambda: serial_of(primary, "b.example") == 5)
    redis_client.delete(keys.zone_key(APEX))
    publish(redis_client, APEX, names(APEX), serial=6)
    eventually(lambda: primary.metric('cirrus_primary_refused_versions_total{why="older"}') == 1)
    assert serial_of(primary) == 7


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [
        (keys.zone_names_key(APEX), "broken", '[["A",60,["not an address"]]]'),
        (keys.zone_names_key(APEX), "broken", '[["A",1099511627776,["192.0.2.7"]]]'),
        (keys.zone_names_key(APEX), "a..b", '[["A",60,["192.0.2.7"]]]'),
        (keys.zone_names_key(APEX), "broken", "{}["),
        (keys.zone_key(APEX), "soa", "{}"),
        (keys.zone_key(APEX), "soa", soa(APEX).text().replace("ns1.", "ns1..")),
    ],
)
def test_a_version_that_makes_no_sense_leaves_the_one_before(primary, redis_client, key, field, value):
    before = redis_client.hget(key, field)
    redis_client.hset(key, field, value)
    redis_client.hset(keys.zone_key(APEX), "serial", 8)
    redis_client.xadd(keys.ZONES_CHANGES, {"zone": APEX, "serial": 8, "op": "put"})
    eventually(lambda: primary.metric('cirrus_primary_refused_versions_total{why="broken"}') == 1)
    assert serial_of(primary) == 7
    redis_client.hset(key, field, before) if before else redis_client.hdel(key, field)
    redis_client.xadd(keys.ZONES_CHANGES, {"zone": APEX, "serial": 8, "op": "put"})
    eventually(lambda: serial_of(primary) == 8)


def test_a_taken_port_and_a_wrong_address_are_told_in_a_sentence(primary):
    def start(bind):
        return subprocess.run(
            [sys.executable, "manage.py", "run_hidden_primary", "--bind", bind],
            env={**primary.settings, "CIRRUS_DNS_METRICS_PORT": "0"},
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=60,
        ).stderr

    assert "The hidden primary cannot listen: " in start(f"127.0.0.1:{primary.port}")
    assert "--bind: 'nowhere' does not appear to be an IPv4 or IPv6 address." in start("nowhere:53")


def test_it_ends_at_once_when_it_is_told_to(primary):
    began = time.monotonic()
    idle = socket.create_connection(("127.0.0.1", primary.port))
    primary.stop(signal.SIGTERM)
    assert time.monotonic() - began < 5
    idle.close()


def test_it_needs_no_more_of_redis_than_the_user_of_the_dns_may(redis_client, start_primary, keyspace):
    user = dns_user()
    redis_client.execute_command("ACL", "SETUSER", user.name, *user.setuser("dns-secret"))
    try:
        publish_secondaries(redis_client, secondary())
        publish(redis_client, APEX, names(APEX), serial=7)
        primary = start_primary(REDIS_URL=f"redis://dns:dns-secret@127.0.0.1:{keyspace.port}")
        publish(redis_client, APEX, names(APEX, sites=4), serial=8)
        eventually(lambda: serial_of(primary) == 8)
        assert sequences(primary.port, 7)[0] == "difference"
        remove_zone(redis_client, "b.example")
        eventually(lambda: read_seen(redis_client, APEX)["ns1"].error)  # nobody listens at port 53
        assert primary.health()["redis"] == "up"
    finally:
        redis_client.acl_deluser("dns")
