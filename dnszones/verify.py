#!/usr/bin/env python3
"""The last hop: refuses a bad version of a zone before NSD serves it.

    VERIFY_ZONE=cdn.example.com python3 -I verify.py FOLDER < zone        (nsd.conf(5), verifier)

NSD feeds each new version on standard input, one record a line. Exit status 0 lets it be served; any
other leaves the version before in place, and the reason stands in NSD's log. Refused are: a serial that
does not rise (RFC 1982), a zone without NS records, one whose number of names or records changed out of
bounds, and one in which too many names have lost all their addresses.

What the last good version had is kept in FOLDER, one file a zone. A first version has nothing to be
compared with: it needs a serial and name servers only. To let one version through all the same (a zone
that really shrinks), an operator makes the empty file FOLDER/ZONE.accept; it is used once.

It stands alone: NSD starts it for every version, so it imports nothing of ours, and it is copied to
machines that have nothing of ours.
"""

import argparse
import json
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

#: Changes of so many names are always fine: a share of very few means nothing.
ALWAYS = 10
#: So many more names or records are fine: an installation may begin with an import.
MANY = 1_000_000


@dataclass
class Zone:
    """What is compared. `served`: the names that have an address or an alias; `digest`: of all lines."""

    serial: int = -1
    records: int = 0
    name_servers: int = 0
    names: int = 0
    served: set[str] = field(default_factory=set)
    digest: int = 0


def read_zone(apex: str, lines: Iterable[str]) -> Zone:
    """A zone from its records, one a line: `name TTL IN type data`, as NSD writes it.

    Raises `ValueError` or `IndexError` where it is none.
    """
    zone = Zone()
    names: set[str] = set()
    top = apex.rstrip(".").lower() + "."
    name, origin = "", "."
    for line in whole_records(lines):
        if line.startswith("$ORIGIN"):
            origin = "." + line.split()[1].lower().lstrip(".")
            continue
        if not line.strip() or line[0] in ";$":
            continue
        if not line[0].isspace():  # else it goes on with the name of the line before
            name, line = line.split(None, 1)
            name = name.lower() if name.endswith(".") else name.lower() + origin
            names.add(name)
        parts = line.split(None, 3)
        if not name or len(parts) < 4 or parts[1] != "IN":
            raise ValueError(f"a line that is no record: {line.strip()[:80]!r}")
        kind, data = parts[2], parts[3]
        zone.records += 1
        # The sum of checksums does not depend on the order of the lines.
        zone.digest = (zone.digest + zlib.crc32(f"{name} {parts[0]} {kind} {data}".encode())) % 2**32
        if kind in ("A", "AAAA", "CNAME"):
            zone.served.add(name)
        elif name == top and kind == "NS":
            zone.name_servers += 1
        elif name == top and kind == "SOA":
            zone.serial = int(data.replace("(", " ").split()[2])
    zone.names = len(names)
    return zone


def whole_records(lines: Iterable[str]) -> Iterator[str]:
    """The lines, those joined that stand in one pair of parentheses: NSD writes an SOA so."""
    begun = ""
    for line in lines:
        begun = f"{begun} {line.strip()}" if begun else line
        if '"' in begun or begun.count("(") <= begun.count(")"):
            yield begun
            begun = ""
    if begun:
        raise ValueError(f"a record that does not end: {begun.strip()[:80]!r}")


def is_newer(serial: int, other: int) -> bool:
    """RFC 1982 section 3.2."""
    return 0 < (serial - other) % 2**32 < 2**31


def problem(new: Zone, old: Zone | None, *, lost_share: float, size_share: float) -> str:
    """Why the version must not be served, as a sentence; "" where it may."""
    if new.serial < 0:
        return "It has no SOA record."
    if not new.name_servers:
        return "It has no NS record."
    if old is None:
        return ""
    if new.serial == old.serial and new.digest != old.digest:
        return f"It has the serial {new.serial} of the version before, and other records."
    if new.serial != old.serial and not is_newer(new.serial, old.serial):
        return f"Its serial {new.serial} does not come after {old.serial}."
    return loss(new, old, lost_share=lost_share, size_share=size_share)


def loss(new: Zone, old: Zone, *, lost_share: float, size_share: float) -> str:
    """What is missing of the version before, or far too much, as a sentence."""
    lost = old.served - new.served
    if len(lost) > max(ALWAYS, lost_share * len(old.served)):
        some = ", ".join(sorted(lost)[:3])
        return f"{len(lost)} of {len(old.served)} names have lost all their answers: {some} …"
    if old.served and not new.served:
        return "No name has an answer any more."
    for what, before, now in (("names", old.names, new.names), ("records", old.records, new.records)):
        if before - now > max(ALWAYS, size_share * before):
            return f"It has {now} {what} instead of {before}."
        if now - before > max(MANY, 20 * before):
            return f"It has {now} {what}; {before} before."
    return ""


def load(path: Path) -> Zone | None:
    """The last good version; None where there was none, or it cannot be read."""
    try:
        facts, _, served = zlib.decompress(path.read_bytes()).decode().partition("\n")
        return Zone(**json.loads(facts), served=set(served.split()))
    except (OSError, ValueError, TypeError, zlib.error):
        return None


def save(path: Path, zone: Zone) -> None:
    """Remember this version."""
    facts = {name: value for name, value in vars(zone).items() if name != "served"}
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_bytes(zlib.compress("\n".join([json.dumps(facts), *sorted(zone.served)]).encode(), 1))
    draft.replace(path)


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify a zone for NSD.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lost-share", type=float, default=0.5, help="names that may lose all answers")
    parser.add_argument("--size-share", type=float, default=0.5, help="names or records that may go")
    options = parser.parse_args()
    apex = os.environ.get("VERIFY_ZONE", "").rstrip(".").lower()
    if not apex or "/" in apex:
        print("verify.py: VERIFY_ZONE is not set; NSD sets it.", file=sys.stderr)
        return 2
    known, accept = options.folder / f"{apex}.good", options.folder / f"{apex}.accept"
    try:
        new = read_zone(apex, sys.stdin)
    except (ValueError, IndexError) as error:
        print(f"verify.py: {apex} is refused: it cannot be read ({error}).", file=sys.stderr)
        return 1
    why = problem(new, load(known), lost_share=options.lost_share, size_share=options.size_share)
    if why and accept.exists() and new.serial >= 0 and new.name_servers:
        print(f"verify.py: {apex} {new.serial} is accepted by order. {why}", file=sys.stderr)
        accept.unlink()
    elif why:
        print(f"verify.py: {apex} {new.serial} is refused. {why} The version before stays.", file=sys.stderr)
        return 1
    save(known, new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
