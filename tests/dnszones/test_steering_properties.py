"""What holds for every fleet, every site and everything that operators can wish."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dnszones.eligibility import Eligibility
from dnszones.steering import NodeFacts, RegionFacts, SiteFacts, answers

REGIONS = ["eu", "us", "asia"]
NODES = [f"edge-{number}" for number in range(9)]
ADDRESSES = [("192.0.2.1", ""), ("", "2001:db8::1"), ("192.0.2.1", "2001:db8::1")]
ALIVE = ("up", "down", "draining")


@st.composite
def fleets(draw):
    """Nodes with different names, in any order."""
    return [
        NodeFacts(
            name,
            draw(st.sampled_from(REGIONS)),
            *draw(st.sampled_from(ADDRESSES)),
            weight=draw(st.integers(1, 10_000)),
            state=draw(st.sampled_from([*ALIVE, "pending", "maintenance"])),
        )
        for name in draw(st.lists(st.sampled_from(NODES), unique=True))
    ]


some_nodes = st.frozensets(st.sampled_from([*NODES, "deleted"]), max_size=4)
sites = st.builds(
    SiteFacts,
    key=st.text(max_size=8),
    replicas=st.none() | st.integers(1, 8),
    pinned=some_nodes,
    excluded=some_nodes,
    regions=st.lists(st.sampled_from([*REGIONS, "nowhere"]), unique=True, max_size=3).map(tuple),
)
backups = st.lists(st.sampled_from([*REGIONS, "nowhere"]), unique=True, max_size=3).map(tuple)
regions = st.lists(
    st.builds(RegionFacts, st.sampled_from(REGIONS), backups), unique_by=lambda region: region.name
)
shares = st.sampled_from([0.0, 0.3, 0.5, 1.0])


def everything(test):
    """All of them; a busy machine may take its time."""
    return settings(deadline=None)(given(sites, fleets(), regions, shares)(test))


@everything
def test_no_answer_is_empty_while_any_node_is_neither_pending_nor_in_maintenance(site, nodes, areas, share):
    answer = answers([site], nodes, areas, safety_share=share).answer(0)
    assert bool(answer.names) == any(node.state in ALIVE for node in nodes)
    # IPv4 is what all clients have: it is empty only where no node at all has it.
    assert bool(answer.ipv4) == any(node.state in ALIVE and node.ipv4 for node in nodes)


@everything
def test_nodes_that_are_pending_or_in_maintenance_are_never_answered(site, nodes, areas, share):
    answer = answers([site], nodes, areas, safety_share=share).answer(0)
    state = {node.name: node.state for node in nodes}
    assert all(state[name] in ALIVE for name in answer.names)


@everything
def test_no_node_that_is_down_takes_the_place_of_one_that_is_up(site, nodes, areas, share):
    steering = answers([site], nodes, areas, safety_share=share)
    answer, facts = steering.answer(0), {node.name: node for node in nodes}
    for chosen, has in ((answer.ipv4, lambda n: n.ipv4), (answer.ipv6, lambda n: n.ipv6)):
        for name in chosen:
            region = steering.eligibility.regions[facts[name].region]
            if facts[name].state != "up" and not region.overridden:
                healthy = [n for n in nodes if n.state == "up" and has(n)]
                assert all(n.name in site.excluded for n in healthy)


@everything
def test_an_overridden_region_has_fewer_up_than_its_share(site, nodes, areas, share):
    for region in Eligibility(nodes, areas, safety_share=share).regions.values():
        if region.overridden:
            assert len(region.up) < share * len(region.in_service)
        elif region.up:
            assert len(region.up) >= share * len(region.in_service)


@everything
def test_excluded_nodes_are_answered_only_where_there_are_no_others(site, nodes, areas, share):
    answer = answers([site], nodes, areas, safety_share=share).answer(0)
    for chosen, has in ((answer.ipv4, lambda n: n.ipv4), (answer.ipv6, lambda n: n.ipv6)):
        if {*chosen} & site.excluded:
            assert {n.name for n in nodes if n.state in ALIVE and has(n)} <= site.excluded


@everything
def test_a_site_gets_no_more_nodes_than_it_wants_none_twice_and_each_with_an_address(
    site, nodes, areas, share
):
    answer = answers([site], nodes, areas, safety_share=share, replicas=2).answer(0)
    facts = {node.name: node for node in nodes}
    assert all(facts[name].ipv4 for name in answer.ipv4)
    assert all(facts[name].ipv6 for name in answer.ipv6)
    for chosen in (answer.ipv4, answer.ipv6):
        assert len({*chosen}) == len(chosen) <= (site.replicas or 2)


@settings(deadline=None)
@given(st.data(), st.lists(sites, max_size=5), fleets(), regions, shares)
def test_the_order_of_what_is_given_does_not_matter(data, some, nodes, areas, share):
    mask = st.lists(st.booleans(), min_size=len(nodes), max_size=len(nodes))
    ready, current = (
        np.array([data.draw(mask) for _ in some], dtype=bool).reshape(len(some), len(nodes)) for _ in "rc"
    )
    straight = answers(some, nodes, areas, safety_share=share, ready=ready, current=current)
    rows = data.draw(st.permutations(range(len(some))))
    columns = data.draw(st.permutations(range(len(nodes))))
    turned = answers(
        [some[row] for row in rows],
        [nodes[column] for column in columns],
        data.draw(st.permutations(areas)),
        safety_share=share,
        ready=ready[np.ix_(rows, columns)],
        current=current[np.ix_(rows, columns)],
    )
    assert list(turned) == [straight.answer(row) for row in rows]
    for row, site in enumerate(some):
        alone = answers(
            [site],
            nodes,
            areas,
            safety_share=share,
            ready=ready[row : row + 1],
            current=current[row : row + 1],
        )
        assert alone.answer(0) == straight.answer(row)


@settings(deadline=None)
@given(st.data(), sites, fleets(), regions)
def test_only_nodes_that_have_the_site_or_are_answered_already_are_answered(data, site, nodes, areas):
    mask = st.lists(st.booleans(), min_size=len(nodes), max_size=len(nodes))
    ready, current = (np.array([data.draw(mask)], dtype=bool).reshape(1, len(nodes)) for _ in "rc")
    answer = answers([site], nodes, areas, ready=ready, current=current).answer(0)
    usable = {node.name for node, has in zip(nodes, (ready | current)[0].tolist(), strict=True) if has}
    assert answer.names <= usable
    assert not usable & {*answer.waiting}
    # A site that is answered keeps an answer while a node that may be answered at all has it.
    if current.any() and any(node.name in usable and node.state in ALIVE for node in nodes):
        assert answer.names


@settings(deadline=None)
@given(sites, fleets(), st.sampled_from(NODES))
def test_a_node_that_goes_moves_no_site_but_its_own(site, nodes, gone):
    before = answers([site], nodes, safety_share=0).answer(0)
    after = answers([site], [node for node in nodes if node.name != gone], safety_share=0).answer(0)
    if gone not in before.names:
        assert after == before
