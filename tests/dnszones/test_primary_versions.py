"""Versions of a zone in the primary: each leads to the next, and differences lead from any to the last."""

import dns.exception
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as some

from dnszones.primary import journal
from dnszones.primary.answering import Transfer
from dnszones.primary.difference import Version, condense
from dnszones.primary.journal import Entry, Journal, chain, difference
from dnszones.primary.limits import Budget, Connections
from dnszones.primary.notifying import source_for
from dnszones.primary.peers import short_address
from dnszones.primary.transfer import plan
from dnszones.primary.wire import MESSAGE_BYTES, Encoder, messages, owner_wire, question
from dnszones.primary.zone import advance, from_store
from dnszones.store import StoredZone, pack_changes
from dnszones.zonedata import Soa, diff, encode_names, is_newer, serial_after

APEX = "a.example"
SOA = Soa("ns1.a.example.", "hostmaster.a.example.", 300, 60, 1_209_600, 60, 60)

ADDRESSES = some.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3"])
TXT = some.sampled_from(['"a"', '"b c"', '"\\195\\188"'])


@some.composite
def names(draw):
    """A small zone whose names often stay and whose records often change."""
    made = {}
    for name in draw(some.sets(some.sampled_from(["@", "a", "b", "*.c", "d.e"]))):
        sets = []
        if data := draw(some.sets(ADDRESSES)):
            sets.append(("A", draw(some.sampled_from([30, 60])), tuple(data)))
        if not sets or draw(some.booleans()):
            sets.append(("TXT", 60, (draw(TXT),)))
        made[name] = sets
    return encode_names(made)


def entries(zones):
    """The journal of these versions, with serials 1, 2 …"""
    return [
        Entry(f"{serial}-0", Version(serial, SOA), Version(serial + 1, SOA), pack_changes(diff(old, new)))
        for serial, (old, new) in enumerate(zip(zones, zones[1:], strict=False), start=1)
    ]


def served(texts, serial, journal=()):
    return from_store(APEX, StoredZone(serial, SOA.text(), texts, 1.0), journal)


def content(zone):
    """Its records, without SOA and marker."""
    return sorted(record for records in zone.names.values() for record in records)


@given(some.lists(names(), min_size=2, max_size=6))
def test_differences_lead_from_every_version_to_the_last_one(zones):
    journal = entries(zones)
    last = served(zones[-1], len(zones), journal)
    stepped = advance(served(zones[0], 1), journal, at=2.0, most=100)
    assert (stepped.serial, content(stepped)) == (last.serial, content(last))
    for serial, texts in enumerate(zones[:-1], start=1):
        for source in (last, stepped):
            found = source.journal.since(serial)
            before = set(content(served(texts, serial)))
            assert found.removed <= before
            assert not found.added & before
            assert sorted((before - found.removed) | found.added) == content(last)


@given(some.lists(names(), min_size=2, max_size=6))
def test_a_condensed_difference_says_nothing_twice(zones):
    found = condense(difference(entry, Encoder()) for entry in entries(zones))
    assert not found.removed & found.added
    records = list(found.answer())
    assert records[0] == records[-1] == found.new.record
    assert records[1] == found.old.record
    assert records.count(found.new.record) == 3


def test_an_entry_that_does_not_follow_or_does_not_fit_is_refused():
    zones = [
        encode_names({"a": [("A", 60, ("192.0.2.1",))]}),
        {},
        encode_names({"b": [("TXT", 60, ('"a"',))]}),
    ]
    versions = entries(zones)
    with pytest.raises(ValueError, match="version 2 does not follow 1"):
        advance(served(zones[0], 1), versions[1:], at=2.0, most=100)
    with pytest.raises(ValueError, match="a is not what version 1 has"):
        advance(served({}, 1), versions, at=2.0, most=100)
    with pytest.raises(ValueError, match="does not follow"):
        condense(difference(entry, Encoder()) for entry in (versions[0], versions[0]))


def test_a_journal_with_a_hole_begins_behind_it():
    versions = entries([{}, encode_names({"a": [("TXT", 60, ('"a"',))]}), {}, {}])
    assert [entry.old.serial for entry in chain([versions[0], *versions[2:]])] == [3]
    assert chain([]) == ()
    assert Journal(versions).since(9) is None
    # An entry that leads elsewhere than to the zone is no help.
    assert served({}, 2, versions).journal.entries[-1].new.serial == 2


def test_only_the_last_versions_are_kept():
    zones = [{}, *(encode_names({"a": [("TXT", 60, (f'"{n}"',))]}) for n in range(5))]
    made = advance(served({}, 1), entries(zones), at=2.0, most=2)
    assert made.ixfr(3) is None
    assert made.ixfr(4) is not None


def test_only_so_many_bytes_of_versions_are_kept(monkeypatch):
    zones = [{}, *(encode_names({"a": [("TXT", 60, (f'"{n}"',))]}) for n in range(5))]
    versions = entries(zones)
    monkeypatch.setattr(journal, "JOURNAL_BYTES", sum(len(entry.packed) for entry in versions[-2:]))
    zone = served({}, 1)
    for entry in versions:
        zone = advance(zone, [entry], at=2.0, most=100)
    assert zone.ixfr(3) is None
    assert zone.ixfr(4) is not None


def test_a_journal_that_cannot_be_read_costs_a_whole_transfer_and_no_more():
    damaged = Entry("1-0", Version(1, SOA), Version(2, SOA), b"not packed")
    query = dns.message.make_query(APEX, "IXFR")
    asked = Transfer(served({}, 2, [damaged]), None, query, None, since=1)
    assert plan(asked).label == "ixfr_whole"


def test_a_packet_is_not_answered_with_what_takes_long_to_find(monkeypatch):
    versions = entries([{}, encode_names({"a": [("TXT", 60, ('"a"',))]})])
    zone = advance(served({}, 1), versions, at=2.0, most=100)
    assert zone.small_ixfr(1) and zone.small_ixfr(1) == zone.ixfr(1)
    monkeypatch.setattr("dnszones.primary.zone.SMALL", len(versions[0].packed) - 1)
    assert zone.small_ixfr(1) is None
    assert zone.ixfr(1)


@pytest.mark.parametrize(
    ("owner", "wire"),
    [
        ("@", b"\xc0\x0c"),
        ("www", b"\x03www\xc0\x0c"),
        ("*.x", b"\x01*\x01x\xc0\x0c"),
        ("a\\.b", b"\x03a.b\xc0\x0c"),
        ("x" * 63, b"\x3f" + b"x" * 63 + b"\xc0\x0c"),
    ],
)
def test_owner_names_point_at_the_apex(owner, wire):
    assert owner_wire(owner) == wire


@pytest.mark.parametrize("owner", ["x" * 64, "", "a..b", "ü"])
def test_a_name_that_none_can_have_is_refused(owner):
    with pytest.raises((ValueError, dns.exception.DNSException)):
        Encoder().records(owner, (("A", 60, ("192.0.2.1",)),))


def test_messages_are_as_large_as_they_may_be_and_hold_every_record():
    records = [bytes([n % 256]) * 1_000 for n in range(100)]
    made = list(messages(7, question(APEX, 252), records))
    assert [int.from_bytes(message[6:8], "big") for message in made] == [32, 32, 32, 4]
    assert all(len(message) < MESSAGE_BYTES + 100 for message in made)
    [alone] = messages(7, question(APEX, 252), [b"x" * 65_000])
    assert len(alone) < 65_535 - 400


@given(some.integers(0, 2**32 - 1))
def test_the_next_serial_is_newer_all_around_the_circle(serial):
    assert is_newer(serial_after(serial), serial)
    assert not is_newer(serial, serial_after(serial))
    assert serial_after(serial) != 0


def test_a_budget_gives_so_many_a_second():
    now = 5.0
    budget = Budget(3, clock=lambda: now)
    assert [budget.take() for _ in range(5)] == [True, True, True, False, False]
    now = 6.0
    assert budget.take()


def test_strangers_cannot_take_the_connections_of_secondaries():
    connections = Connections()
    held = [connections.one(f"192.0.2.{n % 250}", peer=False) for n in range(150)]
    assert sum(one.__enter__() for one in held) == 100
    with connections.one("198.51.100.1", peer=True) as welcome:
        assert welcome
    for one in held:
        one.__exit__(None, None, None)
    assert connections.all == connections.strangers == 0


@pytest.mark.parametrize(
    ("target", "bound", "source"),
    [
        ("192.0.2.1", ["198.51.100.1", "::1"], "198.51.100.1"),
        ("192.0.2.1", ["127.0.0.1"], None),
        ("127.0.0.1", ["127.0.0.1"], "127.0.0.1"),
        ("192.0.2.1", ["0.0.0.0"], None),
        ("2001:db8::1", ["192.0.2.9", "2001:db8::9"], "2001:db8::9"),
    ],
)
def test_notify_comes_from_the_address_that_secondaries_know(target, bound, source):
    assert source_for(target, bound) == source


def test_addresses_have_one_form():
    assert short_address("::ffff:192.0.2.1") == "192.0.2.1"
    assert short_address("fe80::1%eth0") == "fe80::1"
    assert short_address("2001:DB8:0::1") == "2001:db8::1"
