"""How all sites are spread over the nodes, and what moves when the nodes change."""

from dataclasses import dataclass

import numpy as np

from dnszones.eligibility import NodeFacts
from dnszones.rendezvous import NOBODY, Mask
from dnszones.steering import Steering


@dataclass(frozen=True, slots=True)
class Load:
    """One node. `sites`: answered with it. `first`: of these, where it has the first place.

    `share`: of all first places; `expected`: its share of the weights of all nodes that healthy pools have,
    which is what `share` comes to where sites have no wishes.
    """

    node: NodeFacts
    sites: int
    first: int
    share: float
    expected: float

    @property
    def percent(self) -> str:
        """The share, for people."""
        return f"{self.share:.1%}"

    @property
    def percent_expected(self) -> str:
        """What its weight says, for people."""
        return f"{self.expected:.1%}"


@dataclass(frozen=True, slots=True)
class Takeover:
    """What is different after a change. `gained`, `lost`: node → sites. `emptied`: sites without answers."""

    sites: int
    moved: int
    gained: dict[str, int]
    lost: dict[str, int]
    emptied: int


def loads(steering: Steering) -> list[Load]:
    """One for each node, by name."""
    nodes = steering.eligibility.nodes
    named = members(steering).sum(axis=0)
    first = np.where(steering.ipv4[:, :1] != NOBODY, steering.ipv4[:, :1], steering.ipv6[:, :1]).ravel()
    firsts = np.bincount(first[first != NOBODY], minlength=len(nodes))
    answering = frozenset().union(*(region.answering for region in steering.eligibility.regions.values()))
    total = sum(node.weight for node in nodes if node.name in answering) or 1
    return [
        Load(
            node,
            int(named[column]),
            int(firsts[column]),
            float(firsts[column] / max(1, firsts.sum())),
            node.weight / total if node.name in answering else 0.0,
        )
        for column, node in enumerate(nodes)
    ]


def takeover(before: Steering, after: Steering) -> Takeover:
    """Compare the answers of the same sites from the same nodes (in other states, or of other weights)."""
    names = [node.name for node in before.eligibility.nodes]
    if before.sites != after.sites or names != [node.name for node in after.eligibility.nodes]:
        raise ValueError("only answers of the same sites from the same nodes can be compared")
    old, new = members(before), members(after)
    gained, lost = (new & ~old).sum(axis=0).tolist(), (old & ~new).sum(axis=0).tolist()
    return Takeover(
        len(old),
        int((old != new).any(axis=1).sum()),
        {name: count for name, count in zip(names, gained, strict=True) if count},
        {name: count for name, count in zip(names, lost, strict=True) if count},
        int((old.any(axis=1) & ~new.any(axis=1)).sum()),
    )


def members(steering: Steering) -> Mask:
    """[site, node]: who is in the answer, for IPv4 or for IPv6."""
    mask = np.zeros((len(steering), len(steering.eligibility.nodes)), dtype=np.bool_)
    for places in (steering.ipv4, steering.ipv6):
        rows, turns = np.nonzero(places != NOBODY)
        mask[rows, places[rows, turns]] = True
    return mask
