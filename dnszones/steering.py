"""Which nodes the DNS answers with for each site: pools by health and by wish, then the highest scores.

    steering = answers(sites, nodes, regions)
    steering.answer(0)  →  Answer(ipv4=("edge-3", "edge-1"), ipv6=("edge-3",), waiting=())

Pure and deterministic: the order in which nodes and sites are given does not matter. One site and 100,000
take the same path.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dnszones.eligibility import Eligibility, Names, NodeFacts, RegionFacts, SiteFacts
from dnszones.rendezvous import NOBODY, Mask, Places, hashes, scores, winners

__all__ = ["Answer", "NodeFacts", "RegionFacts", "SiteFacts", "Steering", "answers"]

#: Nodes in an answer, for IPv4 and for IPv6 each, where the site does not say.
DEFAULT_REPLICAS = 2
#: Pairs of a site and a node that are looked at together: as many as fit into a processor's cache.
CHUNK = 200_000

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Answer:
    """Names of nodes, the first place first. `waiting`: would be among them if they had the site."""

    ipv4: tuple[str, ...] = ()
    ipv6: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()

    @property
    def names(self) -> Names:
        """All nodes that clients are sent to."""
        return frozenset((*self.ipv4, *self.ipv6))


@dataclass(frozen=True)
class Steering:
    """The answers of all sites, and what they were chosen from.

    `ipv4`, `ipv6`: positions in `eligibility.nodes`, [site, place]. `eligibility.regions` tells which
    regions are `overridden`. `waiting`: of the sites that wait for nodes, by the position of the site.
    """

    sites: Sequence[SiteFacts]
    eligibility: Eligibility
    ipv4: Places
    ipv6: Places
    waiting: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sites)

    def __iter__(self) -> Iterator[Answer]:
        """The answers in the order of the sites."""
        names = [node.name for node in self.eligibility.nodes]
        for row, (ipv4, ipv6) in enumerate(zip(self.ipv4.tolist(), self.ipv6.tolist(), strict=True)):
            yield Answer(_names(names, ipv4), _names(names, ipv6), self.waiting.get(row, ()))

    def answer(self, position: int) -> Answer:
        """The answer of one site."""
        names = [node.name for node in self.eligibility.nodes]
        ipv4, ipv6 = self.ipv4[position].tolist(), self.ipv6[position].tolist()
        return Answer(_names(names, ipv4), _names(names, ipv6), self.waiting.get(position, ()))


def answers(
    sites: Sequence[SiteFacts],
    nodes: Sequence[NodeFacts],
    regions: Iterable[RegionFacts] = (),
    *,
    replicas: int = DEFAULT_REPLICAS,
    safety_share: float = 0.5,
    ready: Mask | None = None,
    current: Mask | None = None,
) -> Steering:
    """Choose nodes for each site.

    `ready` [site, node], in the order of both as given: which node has which site (None: all have all);
    nobody is sent to one that has it not. `current`, of the same shape: who is answered now, which counts
    as ready. While no node of a site's best pool is ready, a site that is answered now goes on to its other
    pools, and a new one waits.
    """
    eligibility = Eligibility(nodes, regions, safety_share=safety_share)
    chooser = _Chooser(eligibility)
    wanted = np.array([site.replicas or replicas for site in sites], dtype=np.int16)
    places = int(wanted.max(initial=0))
    ipv4 = np.full((len(sites), places), NOBODY, dtype=np.int16)
    ipv6 = ipv4.copy()
    waiting: dict[int, tuple[str, ...]] = {}
    order = np.array(sorted(range(len(nodes)), key=lambda column: nodes[column].name), dtype=np.intp)
    size = max(1, CHUNK // max(1, len(nodes)))
    for start in range(0, len(sites), size):
        part = slice(start, min(start + size, len(sites)))
        having = None
        if ready is not None:
            now = np.zeros_like(ready[part]) if current is None else current[part]
            having = _Having((ready[part] | now)[:, order], np.logical_or.reduce(now, axis=1))
        chosen = chooser.choose(sites[part], wanted[part], having)
        ipv4[part, : chosen.ipv4.shape[1]] = chosen.ipv4
        ipv6[part, : chosen.ipv6.shape[1]] = chosen.ipv6
        waiting.update({start + row: names for row, names in chosen.waiting.items()})
    return Steering(sites, eligibility, ipv4, ipv6, waiting)


@dataclass(frozen=True)
class _Having:
    """`usable` [site, node]: it has the site, or is answered already. `answered` [site]: by anybody."""

    usable: Mask
    answered: Mask


@dataclass(frozen=True)
class _Chosen:
    ipv4: Places
    ipv6: Places
    waiting: dict[int, tuple[str, ...]]


class _Chooser:
    """What does not depend on the sites is made once."""

    def __init__(self, eligibility: Eligibility) -> None:
        self.eligibility = eligibility
        nodes = eligibility.nodes
        self.names = [node.name for node in nodes]
        self.hashes = hashes(self.names, kind="node")
        self.weights = np.array([node.weight for node in nodes], dtype=np.float64)
        self.has_ipv4 = np.array([bool(node.ipv4) for node in nodes], dtype=np.bool_)
        self.has_ipv6 = np.array([bool(node.ipv6) for node in nodes], dtype=np.bool_)
        self.made: dict[tuple[Names, Names, tuple[str, ...]], Mask] = {}

    def choose(
        self, sites: Sequence[SiteFacts], replicas: npt.NDArray[np.int16], having: _Having | None
    ) -> _Chosen:
        scored = scores(hashes([site.key for site in sites], kind="site"), self.hashes, self.weights)
        pools, policy = self._pools(sites)
        # Clients without IPv6 need an answer from a further pool where the best one has IPv6 alone. The
        # others have IPv4 as well: no node that is farther away is put before a near one for them.
        pools_ipv4 = _without_empty(pools & self.has_ipv4)
        ipv4 = winners(scored, _allowed(pools_ipv4, policy, having), replicas)
        ipv6 = winners(scored, _allowed(pools, policy, having) & self.has_ipv6, replicas)
        if having is None:
            return _Chosen(ipv4, ipv6, {})
        best_ipv4, best_ipv6 = pools_ipv4[policy, 0], pools[policy, 0] & self.has_ipv6
        rows = np.flatnonzero(((best_ipv4 | best_ipv6) & ~having.usable).any(axis=1))
        wanted = np.hstack(
            [winners(scored[rows], best[rows], replicas[rows]) for best in (best_ipv4, best_ipv6)]
        )
        return _Chosen(ipv4, ipv6, self._missing(rows, wanted, having.usable))

    def _pools(self, sites: Sequence[SiteFacts]) -> tuple[Mask, Rows]:
        """Pools [policy, turn, node], the empty ones last, and the policy of each site."""
        numbers: dict[tuple[Names, Names, tuple[str, ...]], int] = {}
        policy = np.empty(len(sites), dtype=np.intp)
        masks: list[Mask] = []
        for row, site in enumerate(sites):
            wishes = (site.pinned, site.excluded, site.regions)
            if (number := numbers.get(wishes)) is None:
                number = numbers[wishes] = len(numbers)
                masks.append(self._masks(site, wishes))
            policy[row] = number
        turns = max((len(mask) for mask in masks), default=1)
        pools = np.zeros((len(masks), turns, len(self.names)), dtype=np.bool_)
        for number, mask in enumerate(masks):
            pools[number, : len(mask)] = mask
        return pools, policy

    def _masks(self, site: SiteFacts, wishes: tuple[Names, Names, tuple[str, ...]]) -> Mask:
        if (mask := self.made.get(wishes)) is None:
            named = [pool.names for pool in self.eligibility.pools(site)] or [frozenset()]
            mask = np.array([[name in names for name in self.names] for names in named], dtype=np.bool_)
            self.made[wishes] = mask
        return mask

    def _missing(self, rows: Rows, wanted: Places, usable: Mask) -> dict[int, tuple[str, ...]]:
        found = {}
        for row, places in zip(rows.tolist(), wanted.tolist(), strict=True):
            lacking = dict.fromkeys(place for place in places if place != NOBODY and not usable[row, place])
            if lacking:
                found[row] = _names(self.names, lacking)
        return found


def _allowed(pools: Mask, policy: Rows, having: _Having | None) -> Mask:
    """Who may answer each site [site, node]: those of its first pool in which anybody may."""
    first = pools[policy, 0]
    if having is None:
        return first
    allowed = first & having.usable
    going_on = having.answered & ~allowed.any(axis=1)
    for turn in range(1, pools.shape[1]):
        rows = np.flatnonzero(going_on)
        if not len(rows):
            break
        allowed[rows] = pools[policy[rows], turn] & having.usable[rows]
        going_on[rows] = ~allowed[rows].any(axis=1)
    return allowed


def _without_empty(pools: Mask) -> Mask:
    """The same pools [policy, turn, node], the empty ones moved behind the others."""
    turns = np.argsort(~pools.any(axis=2), axis=1, kind="stable")
    return np.take_along_axis(pools, turns[:, :, None], axis=1)


def _names(names: Sequence[str], places: Iterable[int]) -> tuple[str, ...]:
    return tuple([names[place] for place in places if place != NOBODY])
