"""Secondaries are told of new versions until they have them (RFC 1996)."""

import socket

import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import pytest

from dnszones.store import read_seen
from tests.dnszones.published import (
    key,
    names,
    publish,
    publish_secondaries,
    secondary,
)
from tests.servers import eventually, free_port
from tests.system.dns_world import APEX

pytestmark = pytest.mark.system


class Listener:
    """A secondary that notes the NOTIFY messages it gets, and answers what a test says."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(20)
        self.port = self.socket.getsockname()[1]

    def next(self):
        packet, self.sender = self.socket.recvfrom(4096)
        return dns.message.from_wire(packet, keyring={key().name: key()})

    def next_notify(self):
        while (query := self.next()).opcode() != dns.opcode.NOTIFY:
            pass
        return query

    def answer(self, query, text=None):
        response = dns.message.make_response(query)
        if text:
            response.answer.append(dns.rrset.from_text(query.question[0].name, 5, "IN", "TXT", f'"{text}"'))
        self.socket.sendto(response.to_wire(), self.sender)


@pytest.fixture
def listener():
    made = Listener()
    yield made
    made.socket.close()


def test_a_secondary_is_told_until_it_answers_with_the_version(redis_client, listener, start_primary):
    publish_secondaries(redis_client, secondary(port=listener.port))
    publish(redis_client, APEX, names(APEX), serial=7)
    primary = start_primary()
    first = listener.next_notify()
    assert first.had_tsig
    assert first.answer[0][0].serial == 7
    assert listener.sender[0] == "127.0.0.1"
    second = listener.next_notify()  # nobody has answered
    assert primary.metric("cirrus_primary_secondaries_behind") == 1
    listener.answer(second)
    question = listener.next()
    assert question.question[0].name.to_text() == "_rev.cdn.example."
    listener.answer(question, "7")
    eventually(lambda: primary.metric("cirrus_primary_secondaries_behind") == 0)
    eventually(lambda: read_seen(redis_client, APEX)["ns1"].serial == 7)
    assert read_seen(redis_client, APEX)["ns1"].error == ""


def test_why_a_secondary_has_no_new_version_is_told(redis_client, start_primary):
    publish_secondaries(redis_client, secondary(port=free_port()))
    publish(redis_client, APEX, names(APEX), serial=7)
    start_primary()
    eventually(lambda: "no answer to NOTIFY" in read_seen(redis_client, APEX)["ns1"].error)
    assert read_seen(redis_client, APEX)["ns1"].serial is None


def test_after_redis_was_away_every_zone_is_notified_again(keyspace, listener, start_primary):
    publish_secondaries(keyspace.client, secondary(port=listener.port))
    publish(keyspace.client, APEX, names(APEX), serial=7)
    primary = start_primary()
    listener.answer(listener.next_notify())
    listener.answer(listener.next(), "7")
    eventually(lambda: primary.metric("cirrus_primary_secondaries_behind") == 0)
    keyspace.stop()
    eventually(lambda: primary.health()["redis"] != "up")
    keyspace.start()
    assert listener.next_notify().answer[0][0].serial == 7
