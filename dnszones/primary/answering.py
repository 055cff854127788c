"""What one query is answered with. No sockets, no clock but that of signatures.

Answered are, to secondaries: SOA, and with their key AXFR and IXFR. An SOA query without a signature is
answered where it comes from the address of a secondary that has the zone: some ask so before they
transfer. Everything else is REFUSED; what is no DNS query at all gets no answer.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from dnszones.primary import wire
from dnszones.primary.peers import Peer, Peers
from dnszones.primary.signing import SignatureError, Signer, refuse, verify
from dnszones.primary.zone import ServedZone
from dnszones.zonedata import is_newer

#: An OPT record that says how large a UDP packet may be that we read (RFC 6891).
OPT = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
#: What fits into a UDP answer to somebody who has not said that more does, and at most.
UDP_BYTES, MOST_UDP_BYTES = 512, 1232
#: No more than these fit, whatever they are.
MOST_RECORDS_IN_A_PACKET = 50


@dataclass(frozen=True)
class State:
    """What is served to whom. `loaded`: false until zones have been read for the first time."""

    zones: Mapping[str, ServedZone] = field(default_factory=dict)
    peers: Peers = field(default_factory=Peers)
    loaded: bool = False


@dataclass(frozen=True)
class Answer:
    """One packet. `label`: for the counter of answers."""

    wire: bytes
    label: str


@dataclass(frozen=True)
class Silence:
    """No answer at all, and why."""

    label: str


@dataclass(frozen=True)
class Transfer:
    """A zone is to be sent over TCP. `since`: the serial that the secondary has, None: all of it."""

    zone: ServedZone
    peer: Peer
    query: dns.message.Message
    signer: Signer
    since: int | None


def answer(packet: bytes, *, source: str, tcp: bool, state: State) -> Answer | Silence | Transfer:
    """Decide. `source`: the address of whoever asks, in its shortest form."""
    if len(packet) < 12 or packet[2] & 0x80:
        return Silence("response" if len(packet) >= 12 else "malformed")
    try:
        query = dns.message.from_wire(packet, keyring=False)
    except Exception:  # noqa: BLE001, RUF100 - whatever a parser makes of noise, noise it is
        return Silence("malformed")
    peer: Peer | None = None
    signer: Signer | None = None
    if query.had_tsig:
        checked = verify(packet, query, state.peers)
        if isinstance(checked, SignatureError):
            label = dns.rcode.to_text(dns.rcode.Rcode(checked.code), tsig=True).lower()
            return Answer(refuse(_plain(query, dns.rcode.NOTAUTH), checked, query.id), label)
        peer, mac = checked
        signer = Signer(peer.key, mac, query.id)
    return _Question(query, peer, signer, source, tcp, state).answer()


@dataclass(frozen=True)
class _Question:
    query: dns.message.Message
    peer: Peer | None
    signer: Signer | None
    source: str
    tcp: bool
    state: State

    def answer(self) -> Answer | Transfer:
        query = self.query
        if query.edns > 0:
            return self._error(dns.rcode.BADVERS)
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            return self._error(dns.rcode.REFUSED)
        asked = query.question[0]
        kind = asked.rdtype
        if asked.rdclass != dns.rdataclass.IN or kind not in (wire.SOA, wire.AXFR, wire.IXFR):
            return self._error(dns.rcode.REFUSED)
        apex = asked.name.to_text(omit_final_dot=True).lower()
        if not self._may_ask(apex, kind):
            return self._error(dns.rcode.REFUSED)
        zone = self.state.zones.get(apex)
        if zone is None:
            # Before the first load nobody can say that there is no such zone.
            return self._error(dns.rcode.REFUSED if self.state.loaded else dns.rcode.SERVFAIL)
        if kind == wire.SOA:
            return self._records([zone.version.record], "soa")
        if self.peer is None or self.signer is None:
            return self._error(dns.rcode.REFUSED)
        return self._transfer(zone, kind, self.peer, self.signer)

    def _may_ask(self, apex: str, kind: int) -> bool:
        if self.peer:
            return self.peer.may_have(apex)
        return kind == wire.SOA and any(peer.may_have(apex) for peer in self.state.peers.at(self.source))

    def _transfer(self, zone: ServedZone, kind: int, peer: Peer, signer: Signer) -> Answer | Transfer:
        since = _serial_of(self.query) if kind == wire.IXFR else None
        if kind == wire.AXFR and not self.tcp:
            return self._error(dns.rcode.REFUSED)  # RFC 5936 section 4.2: never over UDP
        if kind == wire.IXFR and since is None:
            return self._error(dns.rcode.FORMERR)
        if since and not is_newer(zone.serial, since):
            return self._records([zone.version.record], "ixfr_current")
        if self.tcp:
            many = Signer(peer.key, signer.mac, self.query.id, many=True)
            return Transfer(zone, peer, self.query, many, since or None)
        return self._ixfr_in_one_packet(zone, since or 0)

    def _ixfr_in_one_packet(self, zone: ServedZone, since: int) -> Answer:
        found = zone.small_ixfr(since)  # nobody else is answered meanwhile
        if found and found.size <= MOST_RECORDS_IN_A_PACKET:
            whole = self._records(list(found.answer()), "ixfr_udp")
            if len(whole.wire) <= min(max(self.query.payload, UDP_BYTES), MOST_UDP_BYTES):
                return whole
        return self._records([zone.version.record], "ixfr_use_tcp")  # RFC 1995 section 2: ask by TCP

    def _records(self, records: list[bytes], label: str) -> Answer:
        asked = _question_wire(self.query)
        return self._sign(
            with_edns(self.query, wire.message(self.query.id, asked, records, _flags(self.query))), label
        )

    def _error(self, rcode: dns.rcode.Rcode) -> Answer:
        return self._sign(_plain(self.query, rcode), dns.rcode.to_text(rcode).lower())

    def _sign(self, packet: bytes, label: str) -> Answer:
        return Answer(self.signer.sign(packet) if self.signer else packet, label)


def with_edns(query: dns.message.Message, packet: bytes) -> bytes:
    """The answer with an OPT record, where the query had one."""
    if query.edns < 0:
        return packet
    (count,) = struct.unpack_from("!H", packet, 10)
    return packet[:10] + struct.pack("!H", count + 1) + packet[12:] + OPT


def _plain(query: dns.message.Message, rcode: dns.rcode.Rcode) -> bytes:
    """An answer with nothing but a code."""
    response = dns.message.Message(id=query.id)
    response.flags = dns.flags.QR | (query.flags & dns.flags.RD)
    response.set_opcode(query.opcode())
    response.question = query.question[:1]
    if query.edns >= 0:
        response.use_edns(0, payload=1232)
    response.set_rcode(rcode)
    return response.to_wire()


def _flags(query: dns.message.Message) -> int:
    return wire.ANSWER | int(query.flags & dns.flags.RD)


def _question_wire(query: dns.message.Message) -> bytes:
    asked = query.question[0]
    return wire.name_wire(asked.name) + struct.pack("!HH", asked.rdtype, asked.rdclass)


def _serial_of(query: dns.message.Message) -> int | None:
    """The serial in the authority section of an IXFR query (RFC 1995 section 3)."""
    for rrset in query.authority:
        if rrset.rdtype == dns.rdatatype.SOA and rrset:
            return int(rrset[0].serial)
    return None
