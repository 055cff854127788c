"""Regular expressions that an operator may give to the edges.

An edge runs them (PCRE) over paths that strangers choose, so only what both engines read alike and what
cannot take exponential time is let through: literals, `.`, classes, groups, alternatives, anchors,
`\\d \\w \\s \\b`, and quantifiers that are not nested.
"""

import re

from django.core.exceptions import ValidationError

#: How many `*`, `+` or `{n,}` a pattern may have: each can multiply its time by the length of the path. Two
#: were measured at 30 ms for a path of 7 kB, three at 9 s, which stops a worker for as long.
MOST_UNBOUNDED = 2
#: In how many ways its alternatives and its other repetitions may be combined: each may have to be tried.
MOST_WAYS = 256

_CLASS_ESCAPES = frozenset("dDwWsS")
_ESCAPES = _CLASS_ESCAPES | frozenset("b")
_COUNTED = re.compile(r"\{(\d{1,3})(,(\d{0,3}))?\}")


def validate_pattern(pattern: str) -> None:
    """Refuse, with a sentence, what one of the engines would not take or could be kept busy with."""
    reader = _Reader(pattern)
    reader.skip("(?i)")
    ways = reader.alternatives()
    if not reader.at_end:
        reader.fail("a closing parenthesis without an opening one")
    if reader.unbounded > MOST_UNBOUNDED:
        reader.fail(f"more than {MOST_UNBOUNDED} of *, + and {{n,}}, which can take very long")
    if ways > MOST_WAYS:
        reader.fail(f"alternatives and repetitions that combine in more than {MOST_WAYS} ways")
    try:
        re.compile(pattern)
    except re.error as error:
        reader.fail(f"a mistake: {error}")


class _Reader:
    """Reads a pattern once, from left to right."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at, self.unbounded = pattern, 0, 0

    @property
    def at_end(self) -> bool:
        return self.at >= len(self.pattern)

    @property
    def rest(self) -> str:
        return self.pattern[self.at :]

    def skip(self, text: str) -> bool:
        found = self.rest.startswith(text)
        self.at += len(text) if found else 0
        return found

    def fail(self, what: str) -> None:
        raise ValidationError(f"“{self.pattern}” has {what}.")

    def alternatives(self) -> int:
        """Read up to a closing parenthesis or the end. In how many ways it can match (1: in one alone)."""
        before, ways = 0, 1
        while not self.at_end and not self.rest.startswith(")"):
            if self.skip("|"):
                before, ways = before + ways, 1
            else:
                ways *= self.repeated()
        return before + ways

    def repeated(self) -> int:
        """An atom and its quantifier, if it has one."""
        unbounded = self.unbounded
        ways = self.atom()
        least, most = self.quantifier()
        if most != 1 and (ways > 1 or self.unbounded > unbounded):
            self.fail(
                "a repetition of what repeats or has alternatives itself, which can take exponential time"
            )
        if most is None:
            self.unbounded += 1
            return ways
        return ways * (most - least + 1) if most > least else ways

    def quantifier(self) -> tuple[int, int | None]:
        """How often at least and at most (None: without end)."""
        found = _COUNTED.match(self.rest)
        if found:
            self.at += found.end()
            least = int(found[1])
            most = least if not found[2] else int(found[3]) if found[3] else None
        elif self.rest[:1] in ("*", "+", "?") and self.rest:
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[self.rest[0]]
            self.at += 1
        else:
            return 1, 1
        self.skip("?")
        if self.rest[:1] in ("*", "+", "?", "{") and self.rest:
            self.fail("two quantifiers in a row")
        return least, most

    def atom(self) -> int:
        char = self.rest[0]
        self.at += 1
        if char == "(":
            return self.group()
        if char == "[":
            self.character_class()
        elif char == "\\":
            self.escape(_ESCAPES)
        elif char in "*+?{":
            self.fail("a quantifier without anything to repeat (write \\{ for a brace)")
        elif char in "]}" or not " " <= char <= "~":
            self.fail(f"{char!r}, which must be escaped or cannot stand in a path")
        return 1

    def group(self) -> int:
        if not self.skip("?:") and self.rest.startswith("?"):
            self.fail("a group that is not plain: only (…) and (?:…) are understood, and (?i) in front")
        ways = self.alternatives()
        if not self.skip(")"):
            self.fail("an opening parenthesis without a closing one")
        return ways

    def character_class(self) -> None:
        self.skip("^")
        start = self.at
        while not self.rest.startswith("]") or self.at == start:
            if self.at_end or self.rest[0] == "[" or (self.at == start and self.rest[0] == "]"):
                self.fail("a class […] that does not end, is empty, or has a [ that is not escaped")
            char = self.rest[0]
            self.at += 1
            if char == "\\":
                self.escape(_CLASS_ESCAPES)
            elif char in "&|~-" and self.rest[:1] == char:
                self.fail(f"{char * 2} in a class, which not every engine reads alike")
        self.at += 1

    def escape(self, letters: frozenset[str]) -> None:
        char = self.rest[:1]
        self.at += 1
        if not char or (char.isalnum() and char not in letters) or not " " < char <= "~":
            self.fail(f"the escape \\{char}, which not every engine reads alike")
