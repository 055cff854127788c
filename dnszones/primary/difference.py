"""What has changed from one version of a zone to another, in wire format (RFC 1995)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dnszones.primary.wire import marker_record, soa_record
from dnszones.zonedata import Soa


@dataclass(frozen=True)
class Version:
    """A version of a zone by its serial, with the SOA values that it had."""

    serial: int
    soa: Soa

    @property
    def record(self) -> bytes:
        """Its SOA record."""
        return soa_record(self.soa, self.serial)


@dataclass(frozen=True)
class Difference:
    """The records that go and those that come; neither SOA nor marker is among them."""

    old: Version
    new: Version
    removed: frozenset[bytes]
    added: frozenset[bytes]

    def answer(self) -> Iterator[bytes]:
        """The records of an IXFR answer that has just this one sequence."""
        yield self.new.record
        yield self.old.record
        yield from sorted(self.removed)
        yield marker_record(self.old.serial)
        yield self.new.record
        yield from sorted(self.added)
        yield marker_record(self.new.serial)
        yield self.new.record

    @property
    def size(self) -> int:
        """Records in it."""
        return len(self.removed) + len(self.added)


def condense(steps: Iterable[Difference]) -> Difference:
    """Several differences that follow one another as a single one (RFC 1995 section 5).

    What came and went again in between is not in it. Raises `ValueError` where they do not follow.
    """
    removed: set[bytes] = set()
    added: set[bytes] = set()
    first: Version | None = None
    last: Version | None = None
    for step in steps:
        if last and step.old.serial != last.serial:
            raise ValueError(f"version {step.old.serial} does not follow {last.serial}")
        first, last = first or step.old, step.new
        again = step.added & removed
        removed -= again
        gone = step.removed & added
        added -= gone
        added |= step.added - again
        removed |= step.removed - gone
    if first is None or last is None:
        raise ValueError("no difference at all")
    return Difference(first, last, frozenset(removed), frozenset(added))
