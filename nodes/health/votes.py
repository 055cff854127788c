"""Votes: what the vantage points together think of a node.

A vantage point has a vote on a node while its verdict is up or down, its report is of the node's present
trial and not older than three intervals, and it is not cut off itself: one that sees no node at all,
although another one sees some, does not know. The majority decides. Where fewer than half of the
configured vantage points have a vote, or as many are for as against, the consensus is unknown.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from nodes.health.damping import Damping, Verdict

#: Intervals after which a report has no vote, and a vantage point counts as silent.
STALE_AFTER = 3


@dataclass(frozen=True)
class Report:
    """What one vantage point has found out about one node. `at`: Unix time on Redis's clock.

    `ok` and `why` are of the last probe (`why` is half a sentence where it failed), `status` its HTTP
    status or 0, `ms` how long it took, `view` what the edge said of itself.
    """

    at: float
    ok: bool
    damping: Damping
    trial: int = 0
    why: str = ""
    status: int = 0
    ms: float = 0.0
    view: Mapping[str, Any] = field(default_factory=dict)

    def is_fresh(self, *, now: float, interval: float) -> bool:
        # A report of the future is as wrong as an old one: Redis was replaced by one with another clock.
        return abs(now - self.at) <= STALE_AFTER * interval


#: node → vantage point → its report
Reports = Mapping[str, Mapping[str, Report]]


@dataclass(frozen=True)
class Consensus:
    """`up` and `down` are the vantage points with these votes; `why`: what one of those against found."""

    verdict: Verdict = Verdict.UNKNOWN
    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    why: str = ""


def isolated(reports: Reports, *, vantages: Collection[str], now: float, interval: float) -> set[str]:
    """The vantage points that see no node at all although another one sees some."""
    sees: dict[str, bool] = {}
    for by_vantage in reports.values():
        for vantage, report in by_vantage.items():
            if vantage in vantages and report.is_fresh(now=now, interval=interval):
                sees[vantage] = sees.get(vantage, False) or report.ok
    return {vantage for vantage, some in sees.items() if not some} if any(sees.values()) else set()


def consensus(
    by_vantage: Mapping[str, Report],
    *,
    trial: int,
    vantages: Collection[str],
    voiceless: Collection[str] = (),
    now: float,
    interval: float,
) -> Consensus:
    """What the vantage points with a vote think of one node; `voiceless` have none on any."""
    votes = {
        vantage: report
        for vantage, report in by_vantage.items()
        if vantage in vantages
        and vantage not in voiceless
        and report.trial == trial
        and report.damping.verdict is not Verdict.UNKNOWN
        and report.is_fresh(now=now, interval=interval)
    }
    up = tuple(sorted(v for v, report in votes.items() if report.damping.verdict is Verdict.UP))
    down = tuple(sorted(v for v, report in votes.items() if report.damping.verdict is Verdict.DOWN))
    why = next((votes[vantage].why for vantage in down if votes[vantage].why), "")
    if 2 * len(votes) < len(vantages) or len(up) == len(down):
        return Consensus(Verdict.UNKNOWN, up, down, why)
    return Consensus(Verdict.UP if len(up) > len(down) else Verdict.DOWN, up, down, why)
