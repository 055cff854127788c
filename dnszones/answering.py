"""Who answers for each site now: the steering, with what edges have acknowledged and DNS answers already.

Make before break: a site is answered only by nodes that have its document, and an alias that came later
only by those that have it too. A node that is answered already goes on being answered.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from django.conf import settings

from dnszones.builder import Answer
from dnszones.facts import Facts, Placement
from dnszones.names import closest_apex, owner_in
from dnszones.readiness import serving_mask
from dnszones.rendezvous import Mask
from dnszones.steering import SiteFacts, Steering, answers
from dnszones.zonedata import Texts
from edge.acks import Ack, Acks, read_acks
from edge.services import domains_answer

#: Apex → the texts of the names that its stored version has.
Stored = Mapping[str, Texts]
#: (node names for IPv4, for IPv6) of one answer.
Chosen = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass
class Answering:
    """The answers by zone, the nodes that they name, and node → the lowest revision that it lacks.

    `addresses`: of every node, answered or not. `postponed`: there are new sites that cannot be answered at
    this moment, because documents are being published.
    """

    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    nodes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    awaited: dict[str, int] = field(default_factory=dict)
    addresses: frozenset[str] = frozenset()
    acks: Acks = field(default_factory=Acks)
    epoch: int = 0
    postponed: bool = False

    def waits(self, nodes: Iterable[str], rev: int) -> None:
        """Note that these nodes lack a revision."""
        for name in nodes:
            ack = self.acks.of(name)
            # Who has come so far, and is waited for all the same, refuses a document: what it acknowledges
            # next may change that, and nothing before.
            wanted = max(rev, ack.rev + 1) if ack.epoch == self.epoch else rev
            self.awaited[name] = min(wanted, self.awaited.get(name, wanted))


class Located(NamedTuple):
    """A placement with those of its names that lie in our zones: (zone, whole name)."""

    placement: Placement
    names: list[tuple[str, str]]


def answer_sites(
    facts: Facts, stored: Stored, lost: Mapping[str, Collection[str]] | None = None
) -> Answering:
    """Choose the nodes of every site that has a name in our zones, and note that it is answered.

    `stored`: what is answered now. `lost`: of zones that Redis had and has lost, the nodes that they
    answered with.
    """
    located = locate(facts)
    acks = read_acks(node.name for node in facts.nodes)
    current = current_mask(facts, located, stored)
    keep_lost(current, facts, located, lost or {})
    steering = steer(facts, [site.placement for site in located], acks, current)
    result = Answering(
        addresses=frozenset(some for node in facts.nodes for some in (node.ipv4, node.ipv6) if some),
        acks=acks,
        epoch=facts.epoch,
    )
    chosen = chosen_nodes(steering)
    wanted = [site.placement.domain_id for site, nodes in zip(located, chosen, strict=True) if any(nodes)]
    allowed = domains_answer(domain_ids=wanted)
    result.postponed = len(allowed) < len({*wanted})
    addresses = _Addresses(facts)
    everywhere, refused = _what_all_have(chosen, acks, facts.epoch)
    for row, (site, nodes) in enumerate(zip(located, chosen, strict=True)):
        result.waits(steering.waiting.get(row, ()), site.placement.complete_rev)
        if site.placement.domain_id not in allowed:
            continue
        for apex, name in site.names:
            some = nodes
            # A node may be among them because it is answered already, under other names of the domain.
            rev = site.placement.alias_revs.get(name, site.placement.since_rev)
            lacking = rev > everywhere or (refused and f"domain:{site.placement.document}" in refused)
            if lacking and name != site.placement.access_name:
                before = addresses.nodes_at(stored, apex, name)
                if site.placement.answered and lost:
                    before |= frozenset(lost.get(apex, ()))
                some = _with_name(site.placement, nodes, rev, acks, before)
                result.waits({*nodes[0], *nodes[1]} - {*some[0], *some[1]}, rev)
            if any(some):
                ipv4, ipv6 = addresses.of(some)
                result.answers[apex].append(Answer(name, site.placement.ttl, ipv4, ipv6))
                result.nodes[apex].update(*some)
    return result


def locate(facts: Facts) -> list[Located]:
    """The placements that have a name in a published zone."""
    apexes = {zone.apex for zone in facts.zones.values()}
    found = []
    for placement in facts.placements:
        every = (placement.access_name, *placement.hosts) if placement.access_name else placement.hosts
        names = [(apex, name) for name in every if (apex := closest_apex(name, apexes))]
        if names:
            found.append(Located(placement, names))
    return found


def chosen_nodes(steering: Steering) -> list[Chosen]:
    """The nodes of every site. Sites with the same nodes share one object: there are far fewer answers than
    sites."""
    places = np.hstack([steering.ipv4, steering.ipv6])
    if not places.size:
        return [((), ())] * len(places)
    # Rows as single values, so that they are compared whole.
    rows = np.ascontiguousarray(places).view([("", places.dtype)] * places.shape[1]).ravel()
    _, first, which = np.unique(rows, return_index=True, return_inverse=True)
    distinct = [(answer.ipv4, answer.ipv6) for answer in map(steering.answer, first.tolist())]
    return [distinct[number] for number in which.ravel().tolist()]


def steer(facts: Facts, placements: Sequence[Placement], acks: Acks, current: Mask | None = None) -> Steering:
    """The steering of these placements. Where it is not known who has what, nobody new has it."""
    by_name = [acks.of(node.name) for node in facts.nodes]
    return answers(
        [site_facts(placement) for placement in placements],
        facts.nodes,
        facts.regions,
        safety_share=settings.CIRRUS.safety_share,
        ready=serving_mask([p.site for p in placements], [p.certificate for p in placements], by_name),
        current=current,
    )


def site_facts(placement: Placement) -> SiteFacts:
    """What the steering wants to know of a domain."""
    return SiteFacts(
        placement.label, placement.replicas, placement.pinned, placement.excluded, placement.regions
    )


def current_mask(facts: Facts, located: Sequence[Located], stored: Stored) -> Mask:
    """Which node each site is answered with now [site, node], by what the stored zones say.

    Nodes that share an address are told apart nowhere: all of them count as answered.
    """
    mask = np.zeros((len(located), len(facts.nodes)), dtype=np.bool_)
    addresses = _Addresses(facts)
    for row, site in enumerate(located):
        apex, name = site.names[0]
        if columns := addresses.columns_at(stored, apex, name):
            mask[row, columns] = True
    return mask


def keep_lost(
    current: Mask, facts: Facts, located: Sequence[Located], lost: Mapping[str, Collection[str]]
) -> None:
    """Note in `current` who has answered before Redis lost it, and with it what edges have acknowledged.

    Which node that was of those that the zone named is not known any more: all of them count.
    """
    columns = {
        apex: [column for column, node in enumerate(facts.nodes) if node.name in nodes]
        for apex, nodes in lost.items()
    }
    if not columns:
        return
    for row, site in enumerate(located):
        if site.placement.answered and (some := columns.get(site.names[0][0])):
            current[row, some] = True


def _what_all_have(chosen: Iterable[Chosen], acks: Acks, epoch: int) -> tuple[int, frozenset[str]]:
    """The revision up to which each of the chosen nodes has everything (-1: not known), but for the
    documents that one of them refuses."""
    some = [acks.of(name) for name in {name for nodes in set(chosen) for family in nodes for name in family}]
    known = all(ack.epoch == epoch and not ack.refusals_cut for ack in some)
    least = min((ack.rev for ack in some), default=-1) if known else -1
    return least, frozenset(document for ack in some for document in ack.refusals)


def _with_name(placement: Placement, nodes: Chosen, rev: int, acks: Acks, now: frozenset[str]) -> Chosen:
    """Those of the nodes that have a name of the domain too, or are answered for it already (`now`).

    `rev`: the revision of the domain's document that brought the name.
    """
    document, brought = f"domain:{placement.document}", (placement.epoch, rev)

    def has(name: str) -> bool:
        ack: Ack = acks.of(name)
        knows = ack.has(epoch=placement.epoch, rev=rev) and not ack.refusals_cut
        return name in now or (knows and ack.refused(document=document)[0] < brought)

    return tuple(filter(has, nodes[0])), tuple(filter(has, nodes[1]))


class _Addresses:
    """From nodes to addresses and back; each distinct answer is looked at once."""

    def __init__(self, facts: Facts) -> None:
        self.by_node = {node.name: (node.ipv4, node.ipv6) for node in facts.nodes}
        self.columns: dict[str, list[int]] = defaultdict(list)
        for column, node in enumerate(facts.nodes):
            for address in (node.ipv4, node.ipv6):
                if address:
                    self.columns[address].append(column)
        self.names = [node.name for node in facts.nodes]
        self.made: dict[Chosen, Chosen] = {}
        self.read: dict[str, list[int]] = {}

    def of(self, nodes: Chosen) -> Chosen:
        """The addresses of the nodes, IPv4 and IPv6."""
        if (found := self.made.get(nodes)) is None:
            ipv4, ipv6 = nodes
            found = self.made[nodes] = (
                tuple(self.by_node[name][0] for name in ipv4),
                tuple(self.by_node[name][1] for name in ipv6),
            )
        return found

    def columns_at(self, stored: Stored, apex: str, name: str) -> list[int]:
        """Positions of the nodes that a name is answered with now."""
        text = stored.get(apex, {}).get(owner_in(name, apex) or "")
        if not text:
            return []
        if (columns := self.read.get(text)) is None:
            try:
                found = [a for rtype, _, data in json.loads(text) if rtype in ("A", "AAAA") for a in data]
            except (ValueError, TypeError):  # spoilt by hand; the build replaces it
                found = []
            columns = self.read[text] = sorted({c for a in found for c in self.columns.get(a, ())})
        return columns

    def nodes_at(self, stored: Stored, apex: str, name: str) -> frozenset[str]:
        """The nodes that a name is answered with now."""
        return frozenset(self.names[column] for column in self.columns_at(stored, apex, name))
