"""The last versions of a zone, from which an IXFR is answered.

Entries are kept packed, as they lie in Redis; the newest ones also as records, because several
secondaries ask for the same difference within moments.
"""

import json
import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dnszones.primary.difference import Difference, Version, condense
from dnszones.primary.wire import Encoder
from dnszones.store import JOURNAL_BYTES
from dnszones.zonedata import RRset, Soa

#: Unpacked differences that are kept, and only those that have fewer records than this.
UNPACKED, MOST_RECORDS = 4, 500_000

Changes = dict[str, tuple[tuple[RRset, ...], tuple[RRset, ...]]]


@dataclass(frozen=True)
class Entry:
    """One version: an entry of `cdn:zone:{apex}:versions`. `packed`: zlib of the changes' JSON."""

    entry_id: str
    old: Version
    new: Version
    packed: bytes

    @classmethod
    def parse(cls, entry_id: bytes, fields: Mapping[bytes, bytes]) -> "Entry":
        """From the stream. Raises `ValueError` or `KeyError` where it is none."""
        return cls(
            entry_id.decode(),
            Version(int(fields[b"from"]), Soa.parse(fields[b"soa_from"])),
            Version(int(fields[b"to"]), Soa.parse(fields[b"soa_to"])),
            fields[b"changes"],
        )

    def changes(self) -> Changes:
        """Name → record sets before and after; empty where it was not there."""
        found = json.loads(zlib.decompress(self.packed))
        return {name: (_sets(old), _sets(new)) for name, (old, new) in found.items()}


def _sets(found: list[list] | None) -> tuple[RRset, ...]:  # type: ignore[type-arg]
    return tuple((kind, ttl, tuple(data)) for kind, ttl, data in found or ())


def difference(entry: Entry, encoder: Encoder) -> Difference:
    """The entry as records that go and come."""
    removed: set[bytes] = set()
    added: set[bytes] = set()
    for name, (old, new) in entry.changes().items():
        before, after = set(encoder.records(name, old)), set(encoder.records(name, new))
        removed |= before - after
        added |= after - before
    return Difference(entry.old, entry.new, frozenset(removed), frozenset(added))


class Journal:
    """Entries that follow one another and end at the version that is served."""

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self.entries = chain(entries)
        self._unpacked: dict[tuple[int, int], Difference] = {}
        self._lock = threading.Lock()  # several transfers are planned at once, each in a thread

    def followed_by(self, entries: Sequence[Entry], known: Sequence[Difference], most: int) -> "Journal":
        """A new journal with these entries behind its own: of all the last `most`, and no more than
        `JOURNAL_BYTES`. `known`: unpacked ones."""
        made = Journal(_newest([*self.entries, *entries][-most:]))
        with self._lock:
            made._unpacked = dict(self._unpacked)
        for one in known:
            made._keep(one)
        return made

    def since(self, serial: int) -> Difference | None:
        """What has changed since that version; None where it is not known any more (or never was)."""
        for start, entry in enumerate(self.entries):
            if entry.old.serial == serial:
                return self._difference(start)
        return None

    def packed_since(self, serial: int) -> int:
        """Bytes that `since` has to unpack."""
        start = next((n for n, entry in enumerate(self.entries) if entry.old.serial == serial), None)
        return 0 if start is None else sum(len(entry.packed) for entry in self.entries[start:])

    def _difference(self, start: int) -> Difference:
        whole = self.entries[start:]
        found = self._unpacked.get((whole[0].old.serial, whole[-1].new.serial))
        if found is None:
            encoder = Encoder()
            found = condense(self._unpack(entry, encoder) for entry in whole)
            self._keep(found)
        return found

    def _unpack(self, entry: Entry, encoder: Encoder) -> Difference:
        known = self._unpacked.get((entry.old.serial, entry.new.serial))
        return known or difference(entry, encoder)

    def _keep(self, one: Difference) -> None:
        with self._lock:
            if one.size <= MOST_RECORDS:
                self._unpacked[(one.old.serial, one.new.serial)] = one
            while len(self._unpacked) > UNPACKED:
                self._unpacked.pop(next(iter(self._unpacked)))


def _newest(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The last entries that have no more than `JOURNAL_BYTES` together, as Redis keeps them."""
    start, left = len(entries), JOURNAL_BYTES
    while start > 0 and (left := left - len(entries[start - 1].packed)) >= 0:
        start -= 1
    return entries[start:]


def chain(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The longest end of `entries` in which each one follows the one before."""
    start = len(entries)
    while start > 0 and (start == len(entries) or entries[start - 1].new.serial == entries[start].old.serial):
        start -= 1
    return tuple(entries[start:])
