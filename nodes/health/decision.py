"""The decision: which nodes change their state, and where too little is left.

               up                 down
    pending    up                 (stays)      it was never seen well: nobody waits for it
    up         (stays)            down
    down       up                 (stays)
    draining, maintenance         set by hand: never touched

An unknown consensus changes nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from nodes.health.damping import Verdict
from nodes.health.votes import Consensus, Reports, consensus, isolated

#: (state, verdict) → the state after it. What is not here stays.
TRANSITIONS = {
    ("pending", Verdict.UP): "up",
    ("up", Verdict.DOWN): "down",
    ("down", Verdict.UP): "up",
}


@dataclass(frozen=True)
class Watched:
    """A node as the decision sees it."""

    name: str
    region: str
    state: str
    trial: int = 0
    is_edge: bool = True


@dataclass(frozen=True)
class Change:
    """A node's change of state, and why, as half a sentence."""

    node: str
    old: str
    new: str
    trial: int
    reason: str


@dataclass(frozen=True)
class Decision:
    """What is thought of each node, what changes, and which vantage points have no vote (name → why)."""

    changes: tuple[Change, ...]
    consensus: Mapping[str, Consensus]
    voiceless: Mapping[str, str]
    blind: bool


@dataclass(frozen=True)
class Left:
    """What is left of a region: `up` of the `serving` nodes that probes may take out."""

    up: int
    serving: int


def decide(
    nodes: Iterable[Watched],
    reports: Reports,
    *,
    vantages: Collection[str],
    silent: Collection[str] = (),
    now: float,
    interval: float,
) -> Decision:
    """What the reports mean for these nodes. `silent`: vantage points that were asked and did not answer.

    `blind`: so few vantage points have a vote that no state can change.
    """
    cut_off = isolated(reports, vantages=vantages, now=now, interval=interval)
    voiceless = {vantage: "it does not report" for vantage in vantages if vantage in silent}
    voiceless |= dict.fromkeys(cut_off, "it sees no node at all, and others do: it is cut off itself")
    found: dict[str, Consensus] = {}
    changes = []
    for node in nodes:
        thought = found[node.name] = consensus(
            reports.get(node.name, {}),
            trial=node.trial,
            vantages=vantages,
            voiceless=voiceless,
            now=now,
            interval=interval,
        )
        new = TRANSITIONS.get((node.state, thought.verdict))
        if new:
            changes.append(Change(node.name, node.state, new, node.trial, reason(thought, len(vantages))))
    blind = 2 * (len(vantages) - len(voiceless)) < len(vantages)
    return Decision(tuple(changes), found, voiceless, blind)


def reason(thought: Consensus, configured: int) -> str:
    """Why the consensus is what it is: “2 of 3 vantage points find it down: connection refused”."""
    side = thought.down if thought.verdict is Verdict.DOWN else thought.up
    who = "its probes find" if configured == 1 else f"{len(side)} of {configured} vantage points find"
    why = f": {thought.why}" if thought.verdict is Verdict.DOWN and thought.why else ""
    return f"{who} it {thought.verdict}{why}"


def short_regions(nodes: Iterable[Watched], *, share: float) -> dict[str, Left]:
    """The regions of which less than `share` is up, though it serves: the DNS answers with all of them.

    Only edges in state up or down count: what people have taken out, they meant to.
    """
    serving: dict[str, list[bool]] = {}
    for node in nodes:
        if node.is_edge and node.state in ("up", "down"):
            serving.setdefault(node.region, []).append(node.state == "up")
    left = {region: Left(sum(states), len(states)) for region, states in serving.items()}
    return {region: found for region, found in left.items() if found.up < share * found.serving}
