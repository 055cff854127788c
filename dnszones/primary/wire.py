"""Records and messages in DNS wire format (RFC 1035 section 4), packed by hand: a transfer of 100,000
names must not build 100,000 objects.

Every message of ours has the zone's apex as its question, so at offset 12: owner names end in a
compression pointer to it, and the same bytes are right in every message of the zone.
"""

import struct
from collections.abc import Iterable, Iterator

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from dnszones.zonedata import APEX, MARKER, MARKER_TTL, RRset, Soa

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
    """Turns record sets into wire format; the same data at many names is parsed once."""

    def __init__(self) -> None:
        self._data: dict[tuple[str, str], bytes] = {}

    def records(self, owner: str, rrsets: Iterable[RRset]) -> tuple[bytes, ...]:
        """Each record of one owner name (relative to the apex). Raises `ValueError` or a
        `dns.exception.DNSException` where one is none."""
        name = owner_wire(owner)
        return tuple(
            record(name, kind, ttl, self._rdata(kind, text)) for kind, ttl, data in rrsets for text in data
        )

    def _rdata(self, kind: str, text: str) -> bytes:
        found = self._data.get((kind, text))
        if found is None:
            parsed = dns.rdata.from_text(
                dns.rdataclass.IN, kind, text, origin=dns.name.root, relativize=False
            )
            found = self._data[(kind, text)] = parsed.to_wire() or b""
        return found


def record(name: bytes, kind: str, ttl: int, rdata: bytes) -> bytes:
    """One record of class IN."""
    return name + _FIXED.pack(dns.rdatatype.from_text(kind), 1, ttl, len(rdata)) + rdata


def owner_wire(owner: str) -> bytes:
    """An owner name, as labels and a pointer to the apex."""
    if owner == APEX:
        return POINTER
    if "\\" in owner:
        labels = dns.name.from_text(owner, origin=None).labels
    else:
        labels = tuple(label.encode("ascii") for label in owner.split("."))
    if not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"{owner!r} has a label that no name can have")
    return b"".join(bytes((len(label),)) + label for label in labels) + POINTER


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
