"""Which nodes may answer for a site, before anybody counts scores: pools, the best one first.

Healthy nodes come first, and what operators wish holds as long as it leaves anybody at all: an answer is
empty only where every node is pending or in maintenance.
"""

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

UP, DOWN, DRAINING = "up", "down", "draining"

Names = frozenset[str]


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """An edge. `ipv4`, `ipv6`: "" where it has none. `weight` is above 0. `state` as in `nodes.models`."""

    name: str
    region: str
    ipv4: str = ""
    ipv6: str = ""
    weight: int = 100
    state: str = UP


@dataclass(frozen=True, slots=True)
class RegionFacts:
    """A region, and those that take over from it, in their order."""

    name: str
    backups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """What decides about a site's nodes. `key` never changes (its label): scores are made from it.

    `replicas`: None for the default. `regions`: () for all.
    """

    key: str
    replicas: int | None = None
    pinned: Names = frozenset()
    excluded: Names = frozenset()
    regions: tuple[str, ...] = ()


class PoolKind(enum.Enum):
    """Why it is these nodes; the value is for people."""

    PINNED = "the nodes that it is pinned to"
    REGIONS = "the healthy nodes of its regions"
    BACKUP = "the regions that take over, as its own have no healthy node for it"
    ELSEWHERE = "healthy nodes anywhere, as neither its regions nor those that take over have one for it"
    DRAINING = "draining nodes, as no other node can serve it"
    DOWN = "nodes that are down, as no other is left for it"
    UNPROVEN = "all nodes that are down or draining: with nearly all of them down, the probes are doubted"
    EXCLUDED = "nodes that it excludes, as no other can serve it"


@dataclass(frozen=True, slots=True)
class Pool:
    """Nodes that may answer."""

    kind: PoolKind
    names: Names


@dataclass(frozen=True, slots=True)
class RegionVerdict:
    """What becomes of a region. `in_service`: its nodes that are up or down, not taken out by hand.

    `overridden`: more are down than probes alone may take out, so that all in service are answered.
    `answering`: the nodes that healthy pools get from it, none where none is up.
    """

    name: str
    in_service: Names
    up: Names
    answering: Names
    overridden: bool

    @property
    def sentence(self) -> str:
        """What is wrong with it, or ""."""
        count = f"{len(self.up)} of {len(self.in_service)} nodes of {self.name} are up"
        if self.overridden:
            return f"Only {count}: all of them are answered, since the probes may be wrong."
        if self.in_service and not self.up:
            return f"No node of {self.name} is up."
        return ""


class Eligibility:
    """The pools of a fleet. `safety_share`: the share of a region below which probes are not believed."""

    def __init__(
        self, nodes: Iterable[NodeFacts], regions: Iterable[RegionFacts] = (), *, safety_share: float = 0.5
    ) -> None:
        self.nodes: Sequence[NodeFacts] = sorted(nodes, key=lambda node: node.name)
        self.backups = {region.name: region.backups for region in regions}
        self.safety_share = safety_share
        self.everywhere = tuple(sorted({*self.backups, *(node.region for node in self.nodes)}))
        self.unproven = self._unproven()
        self.regions = {name: self._verdict(name) for name in self.everywhere}

    def pools(self, site: SiteFacts) -> tuple[Pool, ...]:
        """None of them empty, the best one first; () where all nodes are pending or in maintenance."""
        wished = [*self._wished(site)]
        kept = [Pool(pool.kind, pool.names - site.excluded) for pool in wished]
        if site.excluded:
            kept += [Pool(PoolKind.EXCLUDED, pool.names) for pool in wished]
        first: dict[Names, Pool] = {}
        for pool in kept:
            first.setdefault(pool.names, pool)
        return tuple(pool for pool in first.values() if pool.names)

    def _wished(self, site: SiteFacts) -> Iterator[Pool]:
        wanted = site.regions or self.everywhere
        healthy = self._answering(self.everywhere)
        yield Pool(PoolKind.PINNED, healthy & site.pinned)
        yield Pool(PoolKind.REGIONS, self._answering(wanted))
        for turn in range(max((len(self.backups.get(name, ())) for name in wanted), default=0)):
            taking_over = [names[turn] for name in wanted if len(names := self.backups.get(name, ())) > turn]
            yield Pool(PoolKind.BACKUP, self._answering(taking_over))
        yield Pool(PoolKind.ELSEWHERE, healthy)
        own = self._named(region=frozenset(wanted))
        for kind, left in self._last_resorts():
            yield Pool(PoolKind.PINNED, left & site.pinned)
            yield Pool(kind, left & own)
            yield Pool(kind, left)

    def _last_resorts(self) -> list[tuple[PoolKind, Names]]:
        draining, down = self._named(state=DRAINING), self._named(state=DOWN)
        if self.unproven:
            return [(PoolKind.UNPROVEN, draining | down)]
        return [(PoolKind.DRAINING, draining), (PoolKind.DOWN, down)]

    def _unproven(self) -> bool:
        """Whether probes have taken so many nodes out that they are not believed at all.

        Draining nodes still serve; but a few of them could not carry what all the others have lost.
        """
        draining, down = self._named(state=DRAINING), self._named(state=DOWN)
        none_up = not self._named(state=UP)
        return none_up and len(draining) < self.safety_share * len(draining | down)

    def _answering(self, regions: Iterable[str]) -> Names:
        return frozenset().union(*(self.regions[name].answering for name in regions if name in self.regions))

    def _named(self, *, state: str = "", region: Names = frozenset()) -> Names:
        return frozenset(
            node.name
            for node in self.nodes
            if (not state or node.state == state) and (not region or node.region in region)
        )

    def _verdict(self, name: str) -> RegionVerdict:
        here = self._named(region=frozenset({name}))
        up, down = here & self._named(state=UP), here & self._named(state=DOWN)
        in_service = up | down
        overridden = bool(in_service) and (self.unproven or 0 < len(up) < self.safety_share * len(in_service))
        return RegionVerdict(name, in_service, up, in_service if up and overridden else up, overridden)
