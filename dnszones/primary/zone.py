"""One zone as it is served. A version is never changed: the next one is made beside it and put in its
place, so that a transfer that has begun goes on with what it began with."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dnszones.primary.difference import Difference, Version
from dnszones.primary.journal import Entry, Journal
from dnszones.primary.wire import Encoder, marker_record
from dnszones.store import StoredZone
from dnszones.zonedata import Soa, decode_rrsets

logger = logging.getLogger(__name__)

#: Packed bytes of versions that are unpacked at once, between two packets.
SMALL = 20_000


@dataclass(frozen=True)
class ServedZone:
    """A whole version: owner name → its records in wire format. `at`: Unix time of its publication."""

    apex: str
    version: Version
    at: float
    names: dict[str, tuple[bytes, ...]]
    journal: Journal = field(default_factory=Journal)

    @property
    def serial(self) -> int:
        return self.version.serial

    def axfr(self) -> Iterator[bytes]:
        """All records as a transfer has them: SOA first and last (RFC 5936)."""
        yield self.version.record
        for records in self.names.values():
            yield from records
        yield marker_record(self.serial)
        yield self.version.record

    def ixfr(self, serial: int) -> Difference | None:
        """The difference from that version; None where the whole zone must be sent instead: it is not known,
        or the difference is larger than the zone."""
        try:
            found = self.journal.since(serial)
        except Exception:  # a journal that was damaged in Redis must not cut secondaries off
            logger.exception("the journal of %s cannot be read; all of the zone is sent", self.apex)
            return None
        if found and found.size > 2 * len(self.names) + 1_000:
            return None
        return found

    def small_ixfr(self, serial: int) -> Difference | None:
        """The same, where finding it takes next to no time."""
        return self.ixfr(serial) if self.journal.packed_since(serial) <= SMALL else None


def from_store(apex: str, stored: StoredZone, entries: Iterable[Entry] = ()) -> ServedZone:
    """A zone that was read whole. Raises `ValueError` or `dns.exception.DNSException` where it is none.

    Entries that do not lead to the stored version are left out.
    """
    encoder = Encoder()
    made: dict[str, tuple[bytes, ...]] = {}
    for name, text in stored.names.items():
        made[name] = encoder.records(name, decode_rrsets(text))
    leading = list(entries)
    while leading and leading[-1].new.serial != stored.serial:
        leading.pop()
    version = Version(stored.serial, Soa.parse(stored.soa))
    return ServedZone(apex, version, stored.at, made, Journal(leading))


def advance(zone: ServedZone, entries: Sequence[Entry], *, at: float, most: int) -> ServedZone:
    """The version that these entries lead to. Raises as `from_store`, also where they do not follow from
    the zone, or change what it does not have."""
    encoder = Encoder()
    names = dict(zone.names)
    version = zone.version
    differences: list[Difference] = []
    for entry in entries:
        if entry.old.serial != version.serial:
            raise ValueError(f"version {entry.old.serial} does not follow {version.serial}")
        differences.append(_change(names, entry, encoder))
        version = entry.new
    journal = zone.journal.followed_by(entries, differences, most)
    return ServedZone(zone.apex, version, at, names, journal)


def _change(names: dict[str, tuple[bytes, ...]], entry: Entry, encoder: Encoder) -> Difference:
    """Carry out one entry on `names`; what went and came."""
    removed: set[bytes] = set()
    added: set[bytes] = set()
    for name, (old, new) in entry.changes().items():
        have = names.pop(name, ())
        if len(have) != sum(len(data) for _, _, data in old):
            raise ValueError(f"{name} is not what version {entry.old.serial} has")
        if new:
            names[name] = encoder.records(name, new)
        before, after = set(have), set(names.get(name, ()))
        removed |= before - after
        added |= after - before
    return Difference(entry.old, entry.new, frozenset(removed), frozenset(added))
