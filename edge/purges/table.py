"""What of a domain is purged, as its edges are told: bounded, and never too little. Pure.

    {("url", "/a?x=1"): Stamps(hard=17), ("prefix", "/img/"): Stamps(soft=18), ("all", ""): Stamps(hard=9)}

A stamp is the revision under which a purge was first published. Where there is no room for a name it
is widened: a query to its whole URL, a URL to its directory, a directory to the one above, and in the end
everything to the whole domain.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

URL, PREFIX, TAG, ALL = "url", "prefix", "tag", "all"

#: What an edge is told of one domain at most, in records and in characters of their names.
MOST_RECORDS, MOST_CHARACTERS = 4_096, 524_288
#: Characters of one name; a longer one is widened before it comes here.
LONGEST_NAME = 2_000

Key = tuple[str, str]
WHOLE: Key = (ALL, "")


class Stamps(NamedTuple):
    """The newest revision of a hard purge and of a soft one; 0: there is none."""

    hard: int = 0
    soft: int = 0

    def joined(self, other: "Stamps") -> "Stamps":
        return Stamps(max(self.hard, other.hard), max(self.soft, other.soft))

    def covers(self, other: "Stamps") -> bool:
        """Whether `other` purges nothing that these stamps, of something wider, do not purge."""
        return self.hard >= other.hard and max(self) >= other.soft


Table = dict[Key, Stamps]


def stamped(table: Mapping[Key, Stamps], targets: Iterable[tuple[str, str, bool]], rev: int) -> Table:
    """The table with these targets (scope, name, soft) purged under `rev`, as small as it must be."""
    result = dict(table)
    for scope, name, soft in targets:
        new = Stamps(soft=rev) if soft else Stamps(hard=rev)
        result[scope, name] = result.get((scope, name), Stamps()).joined(new)
    return bounded(result)


def overflowing(
    table: Mapping[Key, Stamps], targets: Sequence[tuple[str, str, bool]], rev: int
) -> tuple[set[Key], bool]:
    """Which of these targets `stamped` had to widen, and whether to the whole domain, which nobody meant."""
    asked = [((scope, name), Stamps(soft=rev) if soft else Stamps(hard=rev)) for scope, name, soft in targets]
    result = stamped(table, targets, rev)
    whole = table.get(WHOLE, Stamps())
    for key, new in asked:
        whole = whole.joined(new) if key == WHOLE else whole
    gone = {key for key, new in asked if key not in result and not whole.covers(new)}
    return gone, bool(gone) and result.get(WHOLE, Stamps()) != whole


def bounded(table: Mapping[Key, Stamps]) -> Table:
    """The table within its limits; what it purges is at least what it purged."""
    whole = table.get(WHOLE, Stamps())
    room = _Room({key: stamps for key, stamps in table.items() if key == WHOLE or not whole.covers(stamps)})
    while not room.enough and (level := _narrowest(room.table)):
        groups: dict[Key, list[Key]] = defaultdict(list)
        for key in level:
            groups[wider(key)].append(key)
        # The largest groups first: they make the most room, and purge the least by mistake.
        for into in sorted(groups, key=lambda into: (-len(groups[into]), into)):
            if room.enough:
                break
            room.widen(groups[into], into)
    return room.table


def wider(key: Key) -> Key:
    """What a name is widened to: the smallest wider thing that an edge understands."""
    scope, name = key
    if scope == URL and "?" in name:
        return URL, name.partition("?")[0]
    if scope == URL:
        return PREFIX, name[: name.rindex("/") + 1]
    if scope == PREFIX and len(name) > 1:
        return PREFIX, name[: name.rindex("/", 0, -1) + 1]
    return WHOLE


def body(table: Mapping[Key, Stamps]) -> dict[str, Any]:
    """The lists of a purge document: triples of name, hard stamp and soft stamp, by name."""
    lists: dict[str, list[list[Any]]] = {URL: [], PREFIX: [], TAG: []}
    for (scope, name), stamps in sorted(table.items()):
        if scope != ALL:
            lists[scope].append([name, *stamps])
    return {
        "all": list(table.get(WHOLE, Stamps())),
        "urls": lists[URL],
        "prefixes": lists[PREFIX],
        "tags": lists[TAG],
    }


def _narrowest(table: Table) -> list[Key]:
    """The keys to widen next: variants, else URLs, else the deepest directories, else tags."""
    levels: dict[tuple[int, int], list[Key]] = defaultdict(list)
    for key in table:
        scope, name = key
        if scope == URL:
            levels[0 if "?" in name else 1, 0].append(key)
        elif scope == PREFIX:
            levels[2, -name.rstrip("/").count("/")].append(key)
        elif scope == TAG:
            levels[3, 0].append(key)
    return levels[min(levels)] if levels else []


class _Room:
    """A table, and whether it is within the limits."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.characters = sum(len(name) for _, name in table)

    @property
    def enough(self) -> bool:
        records = len(self.table) - (WHOLE in self.table)
        return records <= MOST_RECORDS and self.characters <= MOST_CHARACTERS

    def widen(self, keys: Iterable[Key], into: Key) -> None:
        together = Stamps()
        for key in keys:
            together = together.joined(self.table.pop(key))
            self.characters -= len(key[1])
        if into not in self.table:
            self.characters += len(into[1])
        self.table[into] = self.table.get(into, Stamps()).joined(together)
