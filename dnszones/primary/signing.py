"""TSIG (RFC 8945): who signed a query, what to answer to a wrong signature, and how answers are signed."""

import struct
import time
from dataclasses import dataclass
from typing import Any, cast

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
from dns.rdtypes.ANY.TSIG import TSIG

from dnszones.primary.peers import Peer, Peers
from dnszones.primary.wire import name_wire

#: Seconds that two clocks may differ.
FUDGE = 300


@dataclass(frozen=True)
class SignatureError:
    """Why a signature is not good, and what the answer says of it. `key` signs the answer, where it may."""

    code: int
    name: dns.name.Name
    asked: TSIG
    key: dns.tsig.Key | None = None


class Signer:
    """Signs the answers to one query: a single one, or the messages of a transfer one after another."""

    def __init__(self, key: dns.tsig.Key, request_mac: bytes, query_id: int, *, many: bool = False) -> None:
        self.key, self.mac, self.query_id, self.many = key, request_mac, query_id, many
        self._context: Any = None

    def sign(self, wire: bytes, *, now: float | None = None, error: int = 0, other: bytes = b"") -> bytes:
        """The message with its TSIG record."""
        moment = int(time.time() if now is None else now)
        empty = _tsig(self.key.algorithm, moment, b"", self.query_id, error, other)
        signed, context = dns.tsig.sign(  # type: ignore[no-untyped-call]
            wire, self.key, empty, moment, self.mac, self._context, self.many
        )
        self._context = context
        return _append(wire, self.key.name, signed)


def verify(wire: bytes, query: dns.message.Message, peers: Peers) -> tuple[Peer, bytes] | SignatureError:
    """Who signed `query` (whose packet is `wire`), and the signature; or what is wrong with it.

    Only for queries that have a TSIG record.
    """
    signature = cast(dns.rrset.RRset, query.tsig)
    name, asked = signature.name, cast(TSIG, signature[0])
    peer = peers.by_key(name)
    if peer is None or asked.algorithm != peer.key.algorithm:
        return SignatureError(dns.rcode.BADKEY, name, asked)
    try:
        dns.message.from_wire(wire, keyring=peer.key)
    except dns.tsig.BadTime:
        return SignatureError(dns.rcode.BADTIME, name, asked, peer.key)
    except (dns.exception.DNSException, ValueError):
        return SignatureError(dns.rcode.BADSIG, name, asked)
    return peer, asked.mac


def refuse(wire: bytes, wrong: SignatureError, query_id: int) -> bytes:
    """The answer `wire` (NOTAUTH) with the TSIG record that says what is wrong (section 5.3.2).

    It is signed only where the signature was right and the clock is wrong (5.2.3): then it has the time
    of the client, and ours in the other data.
    """
    if wrong.key is None:
        now = int(time.time())
        return _append(wire, wrong.name, _tsig(wrong.asked.algorithm, now, b"", query_id, wrong.code, b""))
    ours = struct.pack("!Q", int(time.time()))[2:]
    signer = Signer(wrong.key, wrong.asked.mac, query_id)
    return signer.sign(wire, now=wrong.asked.time_signed, error=wrong.code, other=ours)


def _tsig(algorithm: dns.name.Name, now: int, mac: bytes, query_id: int, error: int, other: bytes) -> TSIG:
    return TSIG(  # type: ignore[no-untyped-call]
        dns.rdataclass.ANY, dns.rdatatype.TSIG, algorithm, now, FUDGE, mac, query_id, error, other
    )


def _append(wire: bytes, name: dns.name.Name, tsig: TSIG) -> bytes:
    data = tsig.to_wire() or b""
    (count,) = struct.unpack_from("!H", wire, 10)
    fixed = struct.pack("!HHIH", dns.rdatatype.TSIG, dns.rdataclass.ANY, 0, len(data))
    return wire[:10] + struct.pack("!H", count + 1) + wire[12:] + name_wire(name) + fixed + data
