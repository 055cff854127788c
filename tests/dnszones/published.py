"""Zones as a builder publishes them, and secondaries, for the tests of the primary."""

import base64

import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.tsig
import dns.zone

from accounts.sealing import seal
from dnszones.store import (
    SecondaryEntry,
    confirm_index,
    read_zone,
    tsig_record,
    write_secondaries,
    write_version,
)
from dnszones.zonedata import Names, Soa, diff, encode_names
from edge import keyspace

SECRET = base64.b64encode(b"a secret of thirty-two bytes ...").decode()


def soa(apex: str) -> Soa:
    return Soa(f"ns1.{apex}.", f"hostmaster.{apex}.", 300, 60, 1_209_600, 60, 60)


def names(apex: str, sites: int = 3, address: str = "192.0.2.1") -> Names:
    """A small zone: an apex, a name server, and sites s0, s1 … with an address each."""
    made: Names = {
        "@": (("NS", 3600, (f"ns1.{apex}.",)), ("TXT", 60, ('"v=spf1 -all"',))),
        "ns1": (("A", 3600, ("192.0.2.53",)),),
        "*.wild": (("CNAME", 60, (f"s0.{apex}.",)),),
    }
    for number in range(sites):
        made[f"s{number}"] = (("A", 60, (address,)), ("AAAA", 60, (f"2001:db8::{number % 9999}",)))
    return made


def publish(client, apex: str, zone: Names, *, serial: int) -> None:
    """Publish a version, as a difference where there is one before; and say that the index is complete."""
    before = read_zone(client, apex)
    texts = encode_names(zone)
    assert write_version(
        client,
        apex,
        expected_serial=before.serial if before else None,
        serial=serial,
        soa=soa(apex),
        changes=diff(before.names if before else {}, texts),
        full=before is None,
    )
    confirm_index(client, client.hkeys(keyspace.ZONES))


def secondary(name: str = "ns1", *, port: int = 53, zones=None, algorithm="hmac-sha256", address="127.0.0.1"):
    key = f"{name}-key"
    return SecondaryEntry(
        name, address, port, key, algorithm, seal(SECRET.encode(), record=tsig_record(key)), zones
    )


def publish_secondaries(client, *entries: SecondaryEntry) -> None:
    write_secondaries(client, entries)


def key(name: str = "ns1", algorithm: str = "hmac-sha256", secret: str = SECRET) -> dns.tsig.Key:
    return dns.tsig.Key(f"{name}-key", secret, algorithm)


def ask(port, apex, kind, *, tsig=None, tcp=False, serial=None, where="127.0.0.1", **options):
    """One exchange with the primary."""
    query = dns.message.make_query(apex, kind, **options)
    if serial is not None:
        rrset = query.find_rrset(query.authority, dns.name.from_text(apex), 1, dns.rdatatype.SOA, create=True)
        rrset.add(dns.rdata.from_text(1, dns.rdatatype.SOA, f". . {serial} 0 0 0 0"))
    if tsig:
        query.use_tsig(tsig)
    exchange = dns.query.tcp if tcp else dns.query.udp
    return exchange(query, where, port=port, timeout=5)


def transfer(port, apex, *, tsig=None, where="127.0.0.1"):
    """The whole zone by AXFR: owner name relative to the apex → texts of its records, sorted."""
    signed = {"keyring": tsig, "keyname": tsig.name, "keyalgorithm": tsig.algorithm} if tsig else {}
    messages = dns.query.xfr(where, apex, port=port, relativize=False, timeout=10, lifetime=60, **signed)
    zone = dns.zone.from_xfr(messages, relativize=False)
    return {
        name.relativize(zone.origin).to_text(): sorted(
            f"{dns.rdatatype.to_text(rdataset.rdtype)} {rdataset.ttl} {item.to_text()}"
            for rdataset in node
            for item in rdataset
        )
        for name, node in zone.nodes.items()
    }
