"""What a zone is, between the builder and the primary: names with their record sets. Pure.

    names = {"@": (("NS", 3600, ("ns1.example.com.",)),), "www": (("A", 60, ("192.0.2.1",)),)}
    texts = encode_names(names)          # what is stored: {"www": '[["A",60,["192.0.2.1"]]]', …}
    diff(before, texts)                  # {"www": (None, '[["A",60,["192.0.2.1"]]]'), …}

An owner name is relative to the apex and in lower-case A-labels: `@`, `www`, `*.shop`. Record data is
the presentation form of dnspython (`rdata.to_text()`), names in it whole, with the final dot. There is
no SOA in it and no marker record: the primary makes both from the serial.

Two texts of one name are equal exactly where the record sets are: types and data are sorted.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

#: (type, TTL in seconds, record data), the data sorted and each only once.
RRset = tuple[str, int, tuple[str, ...]]
#: Owner name → its record sets, sorted by type; each type once.
Names = dict[str, tuple[RRset, ...]]
#: Owner name → canonical text.
Texts = dict[str, str]
#: The texts of one name before and after; None where it was not there, or is not there any more.
Change = tuple[str | None, str | None]

APEX = "@"
#: The owner name of the record that the primary adds: its text is the serial, for whoever watches.
MARKER = "_rev"
#: Seconds that resolvers keep it.
MARKER_TTL = 5


@dataclass(frozen=True)
class Soa:
    """The SOA record (RFC 1035 section 3.3.13) without its serial. Names are whole, with the final dot;
    `rname` is a name too (`hostmaster.example.com.`). All times in seconds."""

    mname: str
    rname: str
    refresh: int
    retry: int
    expire: int
    minimum: int
    ttl: int

    def text(self) -> str:
        """Its canonical text."""
        return _dump(asdict(self))

    @classmethod
    def parse(cls, text: str | bytes) -> "Soa":
        """The twin of `text`. Raises `ValueError` where it is none."""
        try:
            return cls(**json.loads(text))
        except TypeError as error:
            raise ValueError(f"not an SOA: {text!r}") from error


def encode_rrsets(rrsets: Iterable[RRset]) -> str:
    """The canonical text of one name: `[["A",60,["192.0.2.1","192.0.2.2"]],…]`.

    The order of types and data does not matter, nor does data that is there twice. Raises `ValueError`
    where a type stands twice, or has no data: a builder's mistake.
    """
    sets = sorted((kind, ttl, sorted(set(data))) for kind, ttl, data in rrsets)
    if len({kind for kind, _, _ in sets}) < len(sets) or not all(data for _, _, data in sets) or not sets:
        raise ValueError(f"record sets need different types and some data: {sets}")
    return _dump(sets)


def decode_rrsets(text: str | bytes) -> tuple[RRset, ...]:
    """The twin of `encode_rrsets`."""
    return tuple((kind, ttl, tuple(data)) for kind, ttl, data in json.loads(text))


def encode_names(names: Mapping[str, Iterable[RRset]]) -> Texts:
    """The texts of a whole zone."""
    return {name: encode_rrsets(rrsets) for name, rrsets in names.items()}


def diff(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, Change]:
    """What differs, by owner name; empty where the zones are the same."""
    changes: dict[str, Change] = {
        name: (before.get(name), text) for name, text in after.items() if before.get(name) != text
    }
    changes |= {name: (text, None) for name, text in before.items() if name not in after}
    return changes


def is_newer(serial: int, other: int) -> bool:
    """Whether `serial` comes after `other` in the circle of 32 bits (RFC 1982 section 3.2).

    False where they are equal, and where they are exactly half of the circle apart: undefined there.
    """
    return 0 < (serial - other) % 2**32 < 2**31


def serial_after(serial: int) -> int:
    """The next one; never 0, which some secondaries take for “none”."""
    return (serial + 1) % 2**32 or 1


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)
