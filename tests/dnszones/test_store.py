"""Zones in a real Redis: versions follow one another, and nothing is written half."""

import json
import zlib

import pytest
import redis

from dnszones import store
from dnszones.store import (
    SecondaryEntry,
    Seen,
    confirm_index,
    read_seen,
    read_zone,
    remove_zone,
    seen_text,
    write_secondaries,
    write_version,
)
from dnszones.zonedata import Soa, decode_rrsets, diff, encode_names, encode_rrsets
from edge import keyspace as keys

SOA = Soa("ns1.a.example.", "hostmaster.a.example.", 300, 60, 1_209_600, 60, 60)
APEX = "a.example"
ZONE = encode_names(
    {
        "@": [("NS", 3600, ("ns1.a.example.",))],
        "ns1": [("A", 60, ("192.0.2.53",))],
        "www": [("A", 60, ("192.0.2.1",))],
    }
)


@pytest.fixture
def client(keyspace):
    return keyspace.client


def write(client, after, *, serial, before=None, expected=None, **options):
    given = {"soa": SOA, "full": before is None, **options}
    return write_version(
        client, APEX, expected_serial=expected, serial=serial, changes=diff(before or {}, after), **given
    )


def announced(client):
    return [(entry["op"], entry["zone"], entry["serial"]) for _, entry in client.xrange(keys.ZONES_CHANGES)]


def journal(client):
    """(from, to, changes) of each entry, unpacked as the primary does."""
    port = client.connection_pool.connection_kwargs["port"]
    raw = redis.Redis(port=port)  # the differences are no text
    entries = [entry for _, entry in raw.xrange(keys.zone_versions_key(APEX))]
    return [
        (int(entry[b"from"]), int(entry[b"to"]), json.loads(zlib.decompress(entry[b"changes"])))
        for entry in entries
    ]


def test_a_zone_is_read_as_it_was_written(client):
    assert read_zone(client, APEX) is None
    assert write(client, ZONE, serial=7)
    found = read_zone(client, APEX)
    assert (found.serial, found.names) == (7, ZONE)
    assert Soa.parse(found.soa) == SOA
    assert found.at == pytest.approx(float(client.time()[0]), abs=5)
    assert client.hgetall(keys.ZONES) == {APEX: "7"}
    assert announced(client) == [("put", APEX, "7")]
    assert client.hget(keys.zone_key(APEX), "names") == "3"
    assert journal(client) == []


def test_a_version_changes_only_what_it_names_and_is_kept_as_a_difference(client):
    write(client, ZONE, serial=7)
    after = {**ZONE, "new": encode_rrsets([("TXT", 60, ('"\\195\\188 \\"x\\""',))])}
    del after["www"]
    assert write(client, after, before=ZONE, expected=7, serial=8)
    assert read_zone(client, APEX).names == after
    assert announced(client)[-1] == ("put", APEX, "8")
    new, old = json.loads(after["new"]), json.loads(ZONE["www"])
    assert journal(client) == [(7, 8, {"new": [None, new], "www": [old, None]})]


@pytest.mark.parametrize("expected", [None, 6, 8])
def test_a_version_that_does_not_follow_the_stored_one_is_refused_whole(client, expected):
    write(client, ZONE, serial=7)
    assert not write(client, {}, before=ZONE, expected=expected, serial=9)
    assert read_zone(client, APEX).names == ZONE
    assert announced(client) == [("put", APEX, "7")]


def test_a_version_of_a_zone_that_redis_has_lost_is_refused(client):
    assert not write(client, ZONE, before={}, expected=7, serial=8)
    assert read_zone(client, APEX) is None


def test_all_names_at_once_replace_what_was_there_and_begin_a_new_journal(client):
    write(client, ZONE, serial=7)
    write(client, {**ZONE, "b": ZONE["www"]}, before=ZONE, expected=7, serial=8)
    only = {"@": ZONE["@"]}
    assert write(client, only, expected=8, serial=9)
    assert read_zone(client, APEX).names == only
    assert journal(client) == []


def test_more_names_than_one_command_carries_arrive_whole(client, monkeypatch):
    monkeypatch.setattr(store, "CHUNK", 10)
    many = {**ZONE, **{f"n{i}": ZONE["www"] for i in range(45)}}
    assert write(client, many, serial=1)
    assert read_zone(client, APEX).names == many
    assert write(client, ZONE, before=many, expected=1, serial=2)
    assert read_zone(client, APEX).names == ZONE
    assert not client.exists(keys.zone_draft_key(APEX))
    assert len(journal(client)[0][2]) == 45


def test_changes_that_were_lost_on_their_way_are_not_taken_for_none(client, monkeypatch):
    monkeypatch.setattr(store, "CHUNK", 10)
    many = {f"n{i}": ZONE["www"] for i in range(45)}
    execute = client.eval

    def lose_one(*arguments):
        client.hdel(keys.zone_draft_key(APEX), "n44")
        return execute(*arguments)

    monkeypatch.setattr(client, "eval", lose_one)
    assert not write(client, many, serial=1)
    assert read_zone(client, APEX) is None


def test_what_a_killed_worker_has_sent_does_not_hold_up_the_next_version(client):
    client.hset(keys.zone_draft_key(APEX), "half", "of something")
    assert write(client, ZONE, serial=1)
    assert read_zone(client, APEX).names == ZONE


def test_the_journal_keeps_so_many_versions_and_so_many_bytes(client, settings, monkeypatch):
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"zone_journal": 3})
    before = ZONE
    write(client, before, serial=1)

    def next_version(serial, name):
        nonlocal before
        after = {**before, name: ZONE["www"]}
        assert write(client, after, before=before, expected=serial - 1, serial=serial)
        before = after
        return [(start, end) for start, end, _ in journal(client)]

    for serial in range(2, 6):
        kept = next_version(serial, f"n{serial}")
    assert kept == [(2, 3), (3, 4), (4, 5)]
    monkeypatch.setattr(store, "JOURNAL_BYTES", 120)
    assert next_version(6, "n6") == [(4, 5), (5, 6)]
    monkeypatch.setattr(store, "JOURNAL_BYTES", 10)
    assert next_version(7, "n7") == []


def test_a_removed_zone_leaves_nothing_but_the_word_that_it_is_gone(client):
    write(client, ZONE, serial=7)
    client.hset(keys.zone_seen_key(APEX), "ns1", seen_text(Seen(7, 1.0)))
    assert remove_zone(client, APEX)
    assert not remove_zone(client, "b.example")
    assert read_zone(client, APEX) is None
    assert client.keys("cdn:zone:*") == []
    assert client.hgetall(keys.ZONES) == {}
    assert announced(client)[1] == ("gone", APEX, "0")


def test_an_index_is_complete_only_when_every_zone_is_in_redis(client):
    write(client, ZONE, serial=7)
    assert not confirm_index(client, [APEX, "b.example"])
    assert not client.exists(keys.ZONES_CONFIRMED)
    assert confirm_index(client, [APEX])
    assert announced(client)[-1][0] == "confirmed"
    first = float(client.get(keys.ZONES_CONFIRMED))
    assert first >= read_zone(client, APEX).at
    assert confirm_index(client, [APEX])
    assert float(client.get(keys.ZONES_CONFIRMED)) > first
    assert len(announced(client)) == 2  # the second word wakes nobody


def test_secondaries_are_told_once_and_read_as_they_were_written(client):
    one = SecondaryEntry("ns1", "192.0.2.53", 53, "ns1-key.", "hmac-sha256", "main:x")
    two = SecondaryEntry("ns2", "2001:db8::53", 53, "ns2-key.", "hmac-sha512", "main:y", (APEX,))
    assert write_secondaries(client, [one, two])
    assert not write_secondaries(client, [two, one])
    stored = client.hgetall(keys.SECONDARIES)
    assert {name: SecondaryEntry.parse(text) for name, text in stored.items()} == {"ns1": one, "ns2": two}
    assert write_secondaries(client, [])
    assert client.hgetall(keys.SECONDARIES) == {}
    assert [op for op, *_ in announced(client)] == ["secondaries", "secondaries"]


def test_what_the_primary_saw_is_read_back(client):
    client.hset(keys.zone_seen_key(APEX), "ns1", seen_text(Seen(7, 12.5, "it did not answer")))
    assert read_seen(client, APEX) == {"ns1": Seen(7, 12.5, "it did not answer")}
    assert read_seen(client, "b.example") == {}


def test_record_sets_have_one_text_whatever_their_order():
    one = encode_rrsets([("TXT", 5, ('"b"', '"a"', '"b"')), ("A", 60, ("192.0.2.2", "192.0.2.1"))])
    other = encode_rrsets([("A", 60, ("192.0.2.1", "192.0.2.2")), ("TXT", 5, ('"a"', '"b"'))])
    assert one == other == '[["A",60,["192.0.2.1","192.0.2.2"]],["TXT",5,["\\"a\\"","\\"b\\""]]]'
    assert encode_rrsets(decode_rrsets(one)) == one


@pytest.mark.parametrize("sets", [[], [("A", 60, ())], [("A", 60, ("192.0.2.1",)), ("A", 5, ("192.0.2.2",))]])
def test_record_sets_that_no_zone_can_have_are_refused(sets):
    with pytest.raises(ValueError, match="record sets need"):
        encode_rrsets(sets)
