"""What the hidden primary answers, to secondaries and to strangers."""

import socket
import struct
import subprocess
import time

import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import pytest

from dnszones.primary.signing import Signer
from tests.dnszones.published import (
    SECRET,
    ask,
    key,
    names,
    publish,
    publish_secondaries,
    secondary,
    transfer,
)
from tests.servers import PrimaryServer, RedisServer, binary, eventually, free_port
from tests.system.dns_world import APEX, primary_settings, serial_of

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """A running primary with one zone and a Redis of its own, for tests that only ask."""
    redis = RedisServer(tmp_path_factory.mktemp("redis"), free_port())
    redis.start()
    publish_secondaries(redis.client, secondary())
    publish(redis.client, APEX, names(APEX), serial=7)
    environment = primary_settings(REDIS_URL=f"redis://127.0.0.1:{redis.port}/0")
    server = PrimaryServer(tmp_path_factory.mktemp("primary"), settings=environment)
    server.start()
    yield server
    server.stop()
    redis.stop()


def test_the_zone_is_transferred_as_it_was_published_with_a_marker_of_its_serial(serving):
    records = transfer(serving.port, APEX, tsig=key())
    assert records["_rev"] == ['TXT 5 "7"']
    assert records["*.wild"] == ["CNAME 60 s0.cdn.example."]
    assert records["s1"] == ["A 60 192.0.2.1", "AAAA 60 2001:db8::1"]
    assert records["@"] == [
        "NS 3600 ns1.cdn.example.",
        "SOA 60 ns1.cdn.example. hostmaster.cdn.example. 7 300 60 1209600 60",
        'TXT 60 "v=spf1 -all"',
    ]
    assert len(records) == 7


@pytest.mark.parametrize("where", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("tcp", [False, True])
def test_the_soa_is_answered_over_udp_and_tcp_and_both_families(serving, where, tcp):
    response = ask(serving.port, APEX, "SOA", tsig=key(), tcp=tcp, where=where)
    assert response.flags & dns.flags.AA
    assert response.answer[0][0].serial == 7
    assert response.had_tsig
    assert ask(serving.port, "CDN.Example", "SOA", tsig=key(), tcp=tcp, where=where).answer


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "hmac-sha384", "hmac-sha512"])
def test_a_zone_of_many_messages_is_signed_message_by_message(redis_client, start_primary, algorithm):
    publish_secondaries(redis_client, secondary(algorithm=algorithm))
    publish(redis_client, APEX, names(APEX, sites=4_000), serial=7)
    primary = start_primary()
    assert len(transfer(primary.port, APEX, tsig=key(algorithm=algorithm))) == 4_004


def test_a_transfer_without_a_key_or_with_a_wrong_one_is_refused(serving):
    assert ask(serving.port, APEX, "AXFR", tcp=True).rcode() == dns.rcode.REFUSED
    assert ask(serving.port, APEX, "IXFR", tcp=True, serial=1).rcode() == dns.rcode.REFUSED
    before = serving.metric("cirrus_primary_transfers_total")
    with pytest.raises(dns.tsig.PeerBadKey):
        ask(serving.port, APEX, "AXFR", tcp=True, tsig=key("ns9"))
    with pytest.raises(dns.tsig.PeerBadSignature):
        ask(serving.port, APEX, "AXFR", tcp=True, tsig=key(secret="AAAA"))
    with pytest.raises(dns.tsig.PeerBadKey):
        ask(serving.port, APEX, "AXFR", tcp=True, tsig=key(algorithm="hmac-sha512"))
    assert serving.metric("cirrus_primary_transfers_total") == before


def test_a_wrong_clock_is_told_the_right_time_in_a_signed_answer(serving):
    late = int(time.time()) - 4_000
    query = dns.message.make_query(APEX, "SOA")
    signed = Signer(key(), b"", query.id).sign(query.to_wire(), now=late)
    asked = dns.message.from_wire(signed, keyring=False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(signed, ("127.0.0.1", serving.port))
        answer = client.recv(4096)
    response = dns.message.from_wire(answer, keyring=False)
    assert response.rcode() == dns.rcode.NOTAUTH
    tsig = response.tsig[0]
    assert (tsig.error, tsig.time_signed) == (dns.rcode.BADTIME, late)
    assert abs(int.from_bytes(tsig.other, "big") - time.time()) < 30
    assert len(tsig.mac) == 32
    start = answer.index(key().name.to_wire(), 20)
    good = dns.tsig.Key(key().name, SECRET, "hmac-sha256")
    context = dns.tsig._digest(
        answer[:10] + struct.pack("!H", 0) + answer[12:start], good, tsig, None, asked.tsig[0].mac
    )
    context.verify(tsig.mac)


def test_a_secondary_gets_only_the_zones_that_it_is_given(redis_client, start_primary):
    publish_secondaries(
        redis_client, secondary("ns1", zones=("other.example",)), secondary("ns2", zones=(APEX,))
    )
    publish(redis_client, APEX, names(APEX), serial=7)
    primary = start_primary()
    assert ask(primary.port, APEX, "AXFR", tcp=True, tsig=key("ns1")).rcode() == dns.rcode.REFUSED
    assert ask(primary.port, APEX, "SOA", tsig=key("ns1")).rcode() == dns.rcode.REFUSED
    assert transfer(primary.port, APEX, tsig=key("ns2"))


def test_an_unsigned_soa_is_for_the_addresses_of_secondaries(redis_client, start_primary):
    publish_secondaries(redis_client, secondary(address="127.0.0.1"))
    publish(redis_client, APEX, names(APEX), serial=7)
    primary = start_primary()
    assert ask(primary.port, APEX, "SOA").answer[0][0].serial == 7
    assert ask(primary.port, APEX, "SOA", where="::1").rcode() == dns.rcode.REFUSED
    publish_secondaries(redis_client, secondary(address="192.0.2.9"))
    eventually(lambda: ask(primary.port, APEX, "SOA").rcode() == dns.rcode.REFUSED)


@pytest.mark.parametrize("kind", ["A", "NS", "TXT", "ANY", "DNSKEY"])
def test_everything_else_is_refused_even_to_a_secondary(serving, kind):
    assert ask(serving.port, APEX, kind, tsig=key()).rcode() == dns.rcode.REFUSED
    assert ask(serving.port, APEX, kind).rcode() == dns.rcode.REFUSED
    assert ask(serving.port, "version.bind", "TXT", rdclass="CH").rcode() == dns.rcode.REFUSED
    assert ask(serving.port, "example.org", "SOA", tsig=key()).rcode() == dns.rcode.REFUSED


def test_other_operations_and_transfers_over_udp_are_refused(serving):
    assert ask(serving.port, APEX, "AXFR", tsig=key()).rcode() == dns.rcode.REFUSED
    for opcode in (dns.opcode.NOTIFY, dns.opcode.UPDATE, dns.opcode.STATUS):
        query = dns.message.make_query(APEX, "SOA")
        query.set_opcode(opcode)
        wire = query.to_wire()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.sendto(wire, ("127.0.0.1", serving.port))
            answer = client.recv(512)
        assert answer[3] & 15 == dns.rcode.REFUSED
        assert (answer[2] >> 3) & 15 == opcode


def test_edns_is_answered_with_edns_and_an_unknown_version_is_refused(serving):
    response = ask(serving.port, APEX, "SOA", tsig=key(), use_edns=0)
    assert (response.edns, response.payload) == (0, 1232)
    assert response.answer
    assert ask(serving.port, APEX, "SOA", tsig=key(), use_edns=1).rcode() == dns.rcode.BADVERS


def test_dig_transfers_with_the_right_key_and_is_refused_without(primary, redis_client):
    def dig(*words):
        done = subprocess.run(
            [
                binary("dig"),
                "+tcp",
                "+time=5",
                "+tries=1",
                "@127.0.0.1",
                "-p",
                str(primary.port),
                APEX,
                *words,
            ],
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.stdout

    right = f"hmac-sha256:ns1-key:{SECRET}"
    assert "s2.cdn.example.\t\t60\tIN\tA\t192.0.2.1" in dig("axfr", "-y", right)
    assert "Transfer failed" in dig("axfr")
    assert "failed" in dig("axfr", "-y", f"hmac-sha256:ns1-key:{SECRET[:-4]}AAA=")
    publish(redis_client, APEX, names(APEX, sites=4), serial=8)
    eventually(lambda: serial_of(primary) == 8)
    incremental = dig("ixfr=7", "-y", right)
    assert "s3.cdn.example.\t\t60\tIN\tA\t192.0.2.1" in incremental
    assert "s2.cdn.example." not in incremental
    assert "Transfer failed" in dig("ixfr=7")
