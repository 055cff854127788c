"""Noise, floods and slow clients leave the hidden primary answering."""

import random
import socket
import struct
import time

import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import pytest

from tests.dnszones.published import (
    key,
    names,
    publish,
    publish_secondaries,
    secondary,
    transfer,
)
from tests.servers import eventually
from tests.system.dns_world import APEX, serial_of

pytestmark = pytest.mark.system


def seeds(primary):
    """Packets to mutate: what secondaries send, and what strangers might."""
    made = []
    for kind in ("SOA", "AXFR", "IXFR", "A"):
        for tsig in (None, key(), key("ns9")):
            query = dns.message.make_query(APEX, kind, use_edns=0 if kind == "SOA" else None)
            if kind == "IXFR":
                rrset = query.find_rrset(
                    query.authority, dns.name.from_text(APEX), 1, dns.rdatatype.SOA, create=True
                )
                rrset.add(dns.rdata.from_text(1, dns.rdatatype.SOA, ". . 6 0 0 0 0"))
            if tsig:
                query.use_tsig(tsig)
            made.append(query.to_wire())
    return made


def mutate(chance, packet):
    """Truncated, flipped, spliced, blown up, or pure noise."""
    data = bytearray(packet)
    for _ in range(chance.randrange(1, 6)):
        what = chance.randrange(6)
        at = chance.randrange(len(data)) if data else 0
        if what == 0:
            del data[at:]
        elif what == 1 and data:
            data[at] ^= 1 << chance.randrange(8)
        elif what == 2 and data:
            data[at : at + 2] = chance.choice([b"\xc0\x0c", b"\xc0\xff", b"\xff\xff", b"\x00\x00"])
        elif what == 3:
            data[at:at] = chance.randbytes(chance.randrange(40))
        elif what == 4 and len(data) >= 12:
            data[4 + 2 * chance.randrange(4) + 1] = chance.randrange(256)
        elif what == 5 and chance.random() < 0.1:
            data = bytearray(chance.randbytes(chance.randrange(600)))
    return bytes(data)


@pytest.fixture
def chance():
    seed = random.SystemRandom().randrange(10**9)
    print(f"random seed: {seed}")  # pytest shows it where the test fails
    return random.Random(seed)


def test_thousands_of_mutated_packets_over_udp_leave_it_answering(primary, chance):
    packets = seeds(primary)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", primary.port))
        client.setblocking(False)
        for number in range(6_000):
            client.send(mutate(chance, chance.choice(packets)))
            if number % 50 == 0:
                time.sleep(0.005)  # it shall read them, not lose them
                assert number % 1_000 or serial_of(primary) == 7
            try:
                while True:
                    client.recv(4096)
            except BlockingIOError:
                pass
    assert serial_of(primary) == 7
    assert primary.metric('cirrus_primary_ignored_total{transport="udp",why="malformed"') > 100
    assert primary.metric("cirrus_primary_errors_total") == 0
    assert len(transfer(primary.port, APEX, tsig=key())) == 7


def test_mutated_queries_over_tcp_leave_it_answering(primary, chance):
    packets = seeds(primary)
    for number in range(1_500):
        packet = mutate(chance, chance.choice(packets))
        length = len(packet) if chance.random() < 0.8 else chance.randrange(65_536)
        with socket.create_connection(("127.0.0.1", primary.port), timeout=5) as client:
            client.sendall(struct.pack("!H", length) + packet)
            if chance.random() < 0.3:
                client.shutdown(socket.SHUT_WR)
        # A burst may take all connections that this address may have, for a moment.
        assert number % 300 or eventually(lambda: serial_of(primary, tcp=True) == 7)
    assert eventually(lambda: serial_of(primary, tcp=True) == 7)
    assert primary.metric("cirrus_primary_errors_total") == 0
    eventually(lambda: primary.metric("cirrus_primary_connections") <= 1)


def test_slow_senders_are_cut_and_others_are_served_meanwhile(primary):
    slow = [socket.create_connection(("127.0.0.1", primary.port), timeout=20) for _ in range(150)]
    for client in slow:
        client.sendall(b"\x00\x20half")  # 32 bytes are promised
    began = time.monotonic()
    assert serial_of(primary, tcp=True) == 7
    assert time.monotonic() - began < 2
    for client in slow:
        assert client.recv(1) == b""  # cut
        client.close()
    assert time.monotonic() - began < 15
    assert primary.metric('cirrus_primary_ignored_total{transport="tcp",why="too_slow"') == 150


def test_strangers_can_have_only_a_few_connections(redis_client, start_primary):
    publish_secondaries(redis_client, secondary(address="127.0.0.1"))
    publish(redis_client, APEX, names(APEX), serial=7)
    primary = start_primary()
    strangers = [socket.create_connection(("::1", primary.port), timeout=20) for _ in range(15)]
    eventually(lambda: primary.metric('cirrus_primary_ignored_total{transport="tcp",why="too_many"') == 5)
    assert serial_of(primary, tcp=True) == 7
    for stranger in strangers:
        stranger.close()


def test_a_flood_of_strangers_is_not_looked_at_and_secondaries_are_served(redis_client, start_primary):
    publish_secondaries(redis_client, secondary(address="127.0.0.1"))
    publish(redis_client, APEX, names(APEX), serial=7)
    primary = start_primary()
    packet = dns.message.make_query(APEX, "A").to_wire()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as flood:
        flood.connect(("::1", primary.port))
        flooded(flood, packet)
        assert serial_of(primary) == 7

        def looks_away() -> bool:  # a slow machine looks at fewer packets than it may in a second
            flooded(flood, packet)
            return primary.metric('cirrus_primary_ignored_total{transport="udp",why="too_many"') > 0

        eventually(looks_away, within=60)


def flooded(flood: socket.socket, packet: bytes) -> None:
    for number in range(10_000):
        flood.send(packet)
        if number % 100 == 0:
            time.sleep(0.002)  # some shall come through, not all be lost at the socket
