"""Records and messages in DNS wire format (RFC 1035 section 4), packed by hand: a transfer of 100,000
names must not build 100,000 objects.

Every message of ours has the zone's apex as its question, so at offset 12: owner names end in a
compression pointer to it, and the same bytes are right in every message of the zone.
"""

import socket
import struct
from collections.abc import Iterable, Iterator

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from dnszones.zonedata import APEX, MARKER, MARKER_TTL, RRset, Soa

#: Types whose data is an address, and of which family.
ADDRESSES = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}
#: A pointer to the question's name.
POINTER = b"\xc0\x0c"
HEADER = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HHIH")
#: Flags: a response (QR), authoritative (AA).
ANSWER = 0x8400

#: Bytes of records in one message of a transfer. Less than the 65,535 of TCP leaves room for TSIG, and
#: less than 16 KiB would make many messages; a record is at most 65,535 long, see `messages`.
MESSAGE_BYTES = 32_000

SOA = int(dns.rdatatype.SOA)
AXFR = int(dns.rdatatype.AXFR)
IXFR = int(dns.rdatatype.IXFR)


class Encoder:
    """Turns record sets into wire format; the same record at many names is made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int, str], bytes] = {}

    def records(self, owner: str, rrsets: Iterable[RRset]) -> tuple[bytes, ...]:
        """Each record of one owner name (relative to the apex). Raises `ValueError` or a
        `dns.exception.DNSException` where one is none."""
        name = owner_wire(owner)
        made = self._made
        records = []
        for kind, ttl, data in rrsets:
            for text in data:
                rest = made.get((kind, ttl, text))
                if rest is None:
                    rest = made[(kind, ttl, text)] = record(b"", kind, ttl, rdata_wire(kind, text))
                records.append(name + rest)
        return tuple(records)


def rdata_wire(kind: str, text: str) -> bytes:
    """The data of one record. Raises as `Encoder.records`."""
    if kind in ADDRESSES:
        try:
            return socket.inet_pton(ADDRESSES[kind], text)
        except OSError as error:
            raise ValueError(f"{text!r} is no address") from error
    parsed = dns.rdata.from_text(dns.rdataclass.IN, kind, text, origin=dns.name.root, relativize=False)
    return parsed.to_wire() or b""


def record(name: bytes, kind: str, ttl: int, rdata: bytes) -> bytes:
    """One record of class IN."""
    return name + _FIXED.pack(dns.rdatatype.from_text(kind), 1, ttl, len(rdata)) + rdata


def owner_wire(owner: str) -> bytes:
    """An owner name, as labels and a pointer to the apex."""
    if owner == APEX:
        return POINTER
    encoded = owner.encode("ascii")
    if b"." not in encoded and b"\\" not in encoded and 0 < len(encoded) < 64:
        return b"%c%b\xc0\x0c" % (len(encoded), encoded)  # nearly all are one label
    labels = dns.name.from_text(owner, origin=None).labels
    if not labels:
        raise ValueError("an owner name is empty")
    return b"".join(b"%c%b" % (len(label), label) for label in labels) + POINTER


def soa_record(soa: Soa, serial: int) -> bytes:
    """The SOA record at the apex."""
    names = name_wire(dns.name.from_text(soa.mname)) + name_wire(dns.name.from_text(soa.rname))
    numbers = struct.pack("!IIIII", serial, soa.refresh, soa.retry, soa.expire, soa.minimum)
    return record(POINTER, "SOA", soa.ttl, names + numbers)


def marker_record(serial: int) -> bytes:
    """The record that names the version: `_rev TXT "SERIAL"`."""
    text = str(serial).encode()
    return record(owner_wire(MARKER), "TXT", MARKER_TTL, bytes((len(text),)) + text)


def question(apex: str, kind: int) -> bytes:
    """The question section that all our pointers refer to."""
    return name_wire(dns.name.from_text(apex)) + struct.pack("!HH", kind, 1)


def name_wire(name: dns.name.Name) -> bytes:
    """A whole name, not compressed."""
    return name.to_wire() or b""


def message(query_id: int, asked: bytes, records: list[bytes], flags: int = ANSWER) -> bytes:
    """One answer with these records and the question `asked`."""
    return HEADER.pack(query_id, flags, 1, len(records), 0, 0) + asked + b"".join(records)


def messages(query_id: int, asked: bytes, records: Iterable[bytes]) -> Iterator[bytes]:
    """The answer to a transfer: as many messages as it takes. A single huge record has one to itself."""
    batch: list[bytes] = []
    size = 0
    for item in records:
        if batch and size + len(item) > MESSAGE_BYTES:
            yield message(query_id, asked, batch)
            batch, size = [], 0
        batch.append(item)
        size += len(item)
    yield message(query_id, asked, batch)
