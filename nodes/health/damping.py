"""Damping: what one vantage point makes of a node's probes, one after another.

A node rises after so many successes *in a row*; it falls after so many failures, *counted*: single
successes in between do not make them forgotten, only a whole run does. So an edge that flaps, and one
that fails now and then ever more often, both go down and stay down until they are really well.
"""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What is thought of a node. Unknown is neither up nor down: it changes nothing."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Rules:
    """`rise`: successes in a row until up. `fall`: counted failures until down. Both at least 1."""

    rise: int = 3
    fall: int = 3


@dataclass(frozen=True)
class Damping:
    """`fails`: failures since the last run of successes, up to `fall`. `streak`: successes in a row."""

    verdict: Verdict = Verdict.UNKNOWN
    fails: int = 0
    streak: int = 0


def proven(rules: Rules) -> Damping:
    """Where a node starts that was put into service by hand: as if it had succeeded often enough."""
    return Damping(Verdict.UP, fails=0, streak=rules.rise)


def observe(before: Damping, *, ok: bool, rules: Rules) -> Damping:
    """After one more probe. At most one of the two limits is reached by it."""
    if not ok:
        fails = min(before.fails + 1, rules.fall)
        return Damping(Verdict.DOWN if fails >= rules.fall else before.verdict, fails=fails)
    streak = before.streak + 1
    if streak >= rules.rise:
        return Damping(Verdict.UP, fails=0, streak=streak)
    return Damping(before.verdict, fails=before.fails, streak=streak)
