"""Which serial a new version of a zone gets (RFC 1982). Pure."""

from collections.abc import Iterable

from dnszones.zonedata import is_newer, serial_after


def newest(serials: Iterable[int]) -> int:
    """The newest of some serials; 0 for none. 0 is older than any."""
    found = 0
    for serial in serials:
        if serial and (not found or is_newer(serial, found)):
            found = serial
    return found


def next_serial(known: Iterable[int], *, now: float) -> int:
    """The serial of a new version: newer than all that are known, and the Unix time where that is newer.

    The time makes a zone whose database, Redis and secondaries were all restored from old copies come
    out ahead of what resolvers and forgotten secondaries have seen.
    """
    last, clock = newest(known), int(now) % 2**32 or 1
    return clock if not last or is_newer(clock, last) else serial_after(last)
