"""Why a site is answered with these nodes and with no others: what an operator is shown of one site."""

import enum
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dnszones.eligibility import DOWN, DRAINING, UP, Names, NodeFacts, Pool, PoolKind, RegionFacts, SiteFacts
from dnszones.rendezvous import Mask, hashes, scores
from dnszones.steering import DEFAULT_REPLICAS, Answer, Steering, answers

#: The pool of sites that name no regions.
EVERYWHERE = "the healthy nodes of all regions"


class Verdict(enum.StrEnum):
    """What a node is to a site."""

    WON = "won"
    LOST = "lost"
    NOT_READY = "not ready"
    NO_IPV4 = "no IPv4"
    NO_IPV6 = "no IPv6"
    PENDING = "pending"
    MAINTENANCE = "maintenance"
    DRAINING = "draining"
    DOWN = "down"
    EXCLUDED = "excluded"
    NOT_PINNED = "not pinned"
    WRONG_REGION = "wrong region"


@dataclass(frozen=True, slots=True)
class Row:
    """One node. `share`: of the weights in the pool, which is its share of sites; 0 outside of the pool.

    `place`: by score in the pool, from 1; None outside. `verdict`: the better one of both families.
    """

    node: str
    region: str
    state: str
    weight: int
    share: float
    score: float
    place: int | None
    ipv4: Verdict
    ipv6: Verdict
    sentence: str

    @property
    def percent(self) -> str:
        """The share, for people."""
        return f"{self.share:.1%}"

    @property
    def verdict(self) -> Verdict:
        if Verdict.WON in (self.ipv4, self.ipv6):
            return Verdict.WON
        return self.ipv6 if self.ipv4 == Verdict.NO_IPV4 else self.ipv4


@dataclass(frozen=True)
class Explanation:
    """`rows`: who answers first, then by place, then the others. `notes`: what else decided, in sentences."""

    site: SiteFacts
    answer: Answer
    pool: Pool | None
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Whom clients are sent to."""
        ipv4, ipv6 = self.answer.ipv4, self.answer.ipv6
        if not ipv4 and not ipv6:
            return "The DNS gives no addresses for it."
        if ipv4 == ipv6 or not ipv6 or not ipv4:
            families = "IPv4 and IPv6" if ipv4 == ipv6 else "IPv4" if ipv4 else "IPv6"
            return f"Clients are sent to {listed(ipv4 or ipv6)} ({families})."
        return f"Clients are sent to {listed(ipv4)} for IPv4, and to {listed(ipv6)} for IPv6."


def explain(
    site: SiteFacts,
    nodes: Sequence[NodeFacts],
    regions: Sequence[RegionFacts] = (),
    *,
    replicas: int = DEFAULT_REPLICAS,
    safety_share: float = 0.5,
    ready: Mask | None = None,
    current: Mask | None = None,
    without: Iterable[str] = (),
) -> Explanation:
    """The same as `answers` of this site alone, with the reasons; `ready` and `current` have one row.

    `without`: as if these nodes went down.
    """
    nodes = nodes_without(nodes, without)
    steering = answers(
        [site],
        nodes,
        regions,
        replicas=replicas,
        safety_share=safety_share,
        ready=ready,
        current=current,
    )
    usable = frozenset(node.name for node in nodes)
    if ready is not None:
        having = ready[0] if current is None else ready[0] | current[0]
        usable = frozenset(node.name for node, has in zip(nodes, having.tolist(), strict=True) if has)
    return _Explainer(site, steering, usable).explanation()


def nodes_without(nodes: Iterable[NodeFacts], names: Iterable[str]) -> list[NodeFacts]:
    """The same nodes, as if those named had gone down (pending ones and those in maintenance stay so)."""
    gone = frozenset(names)
    return [
        replace(node, state=DOWN) if node.name in gone and node.state in (UP, DRAINING) else node
        for node in nodes
    ]


def listed(names: Iterable[str]) -> str:
    """“a, b and c”."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


class _Explainer:
    def __init__(self, site: SiteFacts, steering: Steering, usable: Names) -> None:
        self.site = site
        self.eligibility = steering.eligibility
        self.nodes = steering.eligibility.nodes
        self.answer = steering.answer(0)
        self.usable = usable
        self.pools = self.eligibility.pools(site)
        with_ipv4 = frozenset(node.name for node in self.nodes if node.ipv4)
        self.best_ipv6 = self.pools[0] if self.pools else None
        self.best_ipv4 = next((pool for pool in self.pools if pool.names & with_ipv4), self.best_ipv6)
        # No pool before the one that is used has anybody who could be answered.
        self.pool_ipv4 = self._pool_of(self.answer.ipv4) or self.best_ipv4
        self.pool_ipv6 = self._pool_of(self.answer.ipv6) or self.best_ipv6
        self.pool = self.pool_ipv6 if self._first(self.pool_ipv6, self.pool_ipv4) else self.pool_ipv4

    def explanation(self) -> Explanation:
        scored = dict(zip((node.name for node in self.nodes), self._scores(), strict=True))
        inside = [node for node in self.nodes if self.pool and node.name in self.pool.names]
        inside.sort(key=lambda node: (-scored[node.name], node.name))
        places = {node.name: place for place, node in enumerate(inside, 1)}
        total = sum(node.weight for node in inside)
        rows = [
            self._row(node, scored[node.name], places.get(node.name), len(inside), total)
            for node in self.nodes
        ]
        rows.sort(key=lambda row: (row.verdict != Verdict.WON, row.place or math.inf, row.node))
        return Explanation(self.site, self.answer, self.pool, tuple(rows), tuple(self._notes()))

    def _scores(self) -> list[float]:
        names = [node.name for node in self.nodes]
        weights = np.array([node.weight for node in self.nodes], dtype=np.float64)
        found: list[float] = scores(
            hashes([self.site.key], kind="site"), hashes(names, kind="node"), weights
        )[0].tolist()
        return found

    def _pool_of(self, names: Sequence[str]) -> Pool | None:
        chosen = frozenset(names)
        return next((pool for pool in self.pools if pool.names & chosen), None)

    def _first(self, one: Pool | None, other: Pool | None) -> bool:
        return one is not None and other is not None and self.pools.index(one) < self.pools.index(other)

    def _row(self, node: NodeFacts, score: float, place: int | None, of: int, total: int) -> Row:
        ipv4 = ipv6 = Verdict.WON
        if node.name not in self.answer.ipv4:
            ipv4 = self._refusal(node, node.ipv4, self.pool_ipv4, self.best_ipv4) or Verdict.NO_IPV4
        if node.name not in self.answer.ipv6:
            ipv6 = self._refusal(node, node.ipv6, self.pool_ipv6, self.best_ipv6) or Verdict.NO_IPV6
        share = node.weight / total if place else 0.0
        row = Row(
            node.name, node.region, node.state, node.weight, share, score, place, ipv4, ipv6, sentence=""
        )
        return replace(row, sentence=self._sentence(node, row, of))

    def _refusal(self, node: NodeFacts, address: str, pool: Pool | None, best: Pool | None) -> Verdict | None:
        """Why it does not answer for a family; None where it lacks the address only."""
        among = (pool, best, self.best_ipv6)
        if not any(wanted and node.name in wanted.names for wanted in among):
            return self._outside(node, pool)
        if not address:
            return None
        return Verdict.LOST if node.name in self.usable else Verdict.NOT_READY

    def _outside(self, node: NodeFacts, pool: Pool | None) -> Verdict:
        if node.state not in (UP, DOWN, DRAINING):
            return Verdict(node.state)
        if node.name in self.site.excluded:
            return Verdict.EXCLUDED
        if pool and pool.kind == PoolKind.PINNED and node.name not in self.site.pinned:
            return Verdict.NOT_PINNED
        return Verdict.WRONG_REGION if node.state == UP else Verdict(node.state)

    def _sentence(self, node: NodeFacts, row: Row, of: int) -> str:
        verdict = row.verdict
        if verdict == Verdict.WON:
            return self._answers(node, row, of)
        place = f"place {row.place} of {of}" if row.place else "its place is not among those that answer"
        return {
            Verdict.LOST: f"Not needed: {place} by score.",
            Verdict.NOT_READY: f"Waits: {place} by score, but it does not have the site yet.",
            Verdict.PENDING: "It has never been in service.",
            Verdict.MAINTENANCE: "It is in maintenance.",
            Verdict.DRAINING: "It is draining: no new clients are sent to it.",
            Verdict.DOWN: "It is down.",
            Verdict.EXCLUDED: "The site excludes it.",
            Verdict.NOT_PINNED: "The site is pinned to other nodes.",
            Verdict.WRONG_REGION: f"It is in {node.region}, which does not serve this site now.",
            Verdict.NO_IPV4: "It has no IPv4 address.",
            Verdict.NO_IPV6: "It has no IPv6 address.",
        }[verdict]

    def _answers(self, node: NodeFacts, row: Row, of: int) -> str:
        families = [
            family for family, verdict in (("IPv4", row.ipv4), ("IPv6", row.ipv6)) if verdict == Verdict.WON
        ]
        said = f"Answers for {listed(families)}"
        said += f": place {row.place} of {of} by score" if row.place else ", from a further group of nodes"
        if node.state != UP:
            said += f", although it is {node.state}"
        if node.name in self.site.excluded:
            said += ", although the site excludes it"
        if row.ipv4 == Verdict.NO_IPV4 or row.ipv6 == Verdict.NO_IPV6:
            said += f". It has {row.ipv4 if row.ipv4 == Verdict.NO_IPV4 else row.ipv6} address"
        return f"{said}."

    def _notes(self) -> Iterable[str]:
        if not self.pool:
            yield "There is no node that is neither pending nor in maintenance."
            return
        everywhere = self.pool.kind == PoolKind.REGIONS and not self.site.regions
        yield f"They are chosen from {EVERYWHERE if everywhere else self.pool.kind.value}."
        if self.site.pinned and self.pool.kind != PoolKind.PINNED:
            pinned = ", ".join(sorted(self.site.pinned))
            yield f"Of the nodes that it is pinned to ({pinned}) none can serve it now."
        if self.pool_ipv4 and self.pool_ipv4 != self.pool and self.answer.ipv4:
            yield f"For IPv4 they are {self.pool_ipv4.kind.value}."
        for region in self.eligibility.regions.values():
            concerns = not self.site.regions or region.name in self.site.regions
            if region.sentence and concerns:
                yield region.sentence
        if self.answer.waiting:
            yield f"Would answer, but do not have the site yet: {', '.join(self.answer.waiting)}."
