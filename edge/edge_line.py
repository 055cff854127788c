"""What an edge says of itself, as a line with a tone and a few facts. Pure: a state in, text out."""

from dataclasses import dataclass
from datetime import datetime

from edge.services import EdgeState
from edge.statuses import Tone, clock, duration

#: Seconds between an edge's clock and Redis's from which on people should mend the clock.
SKEW_LIMIT = 60.0


@dataclass(frozen=True)
class Line:
    """A sentence and how it should be coloured."""

    tone: Tone
    sentence: str


def edge_line(state: EdgeState) -> Line:
    """The one thing that an operator should know first about this edge."""
    if state.failure:
        return Line("pending", f"not known: {state.failure}")
    away: Tone = "refused" if state.serving else "off"  # clients may be coming to a serving one
    if state.heard_at is None:
        return Line(away, f"never heard of: start it with manage.py run_edge --node {state.node.name}")
    if not state.heard:
        return Line(away, f"silent since {clock(state.heard_at)}")
    if state.refusals:
        return Line("refused", f"refuses {_count(len(state.refusals), 'document')}")
    if state.state == "loading":
        return Line("pending", "loading its configuration")
    if state.behind:
        return Line("pending", f"{_count(state.behind, 'change')} behind")
    if abs(state.skew) > SKEW_LIMIT:
        side = "ahead of" if state.skew > 0 else "behind"
        return Line("pending", f"its clock is {abs(state.skew):.0f} s {side} Redis's")
    if state.orphans:
        return Line("pending", f"serves {_count(state.orphans, 'document')} that nobody knows of")
    return Line("ok", "live, has every change")


def edge_facts(state: EdgeState, *, now: datetime) -> list[tuple[str, str]]:
    """Names and values for the page of the node; nothing where the edge was never heard of."""
    if state.heard_at is None:
        return []
    return [
        ("Last heard", f"{duration((now - state.heard_at).total_seconds())} ago"),
        ("Revision", f"{state.rev}, {state.behind} behind"),
        ("Domains", str(state.domains)),
        ("Version", state.version or "unknown"),
        ("Clock", f"{state.skew:+.2f} s against Redis"),
        ("Refused since its start", str(state.config_errors)),
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
