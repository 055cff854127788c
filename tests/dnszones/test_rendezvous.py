"""Scores: by weight, the same everywhere, and moved by nobody but the nodes that they are of."""

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest

from dnszones.distribution import loads, members, takeover
from dnszones.rendezvous import hashes, scores
from dnszones.steering import SiteFacts, answers
from tests.dnszones.fleets import fleet, many_sites, node


def chosen(sites, nodes, **options):
    return [answer.ipv4 for answer in answers(sites, nodes, **options)]


# Written down once: a hash that changes moves nearly all sites of a running installation.
GOLDEN_SITES = [604477267879290104, 4334906703966479552]
GOLDEN_NODES = [4071646438962316978, 11811654492081533130]
GOLDEN_SCORES = [
    [31.720104502353713, 34.624084424726384, 648.1113043339863],
    [92.17599671315638, 490.88142425776454, 270.6284404948254],
]
GOLDEN_PLACES = {
    "k7xq2m4w3a": ("edge-4", "edge-3", "edge-6"),
    "www": ("edge-7", "edge-5", "edge-2"),
    "site-1": ("edge-7", "edge-2", "edge-5"),
    "site-2": ("edge-7", "edge-5", "edge-0"),
}


def test_the_hashes_are_those_of_old():
    assert hashes(["a", "ö"], kind="site").tolist() == GOLDEN_SITES
    assert hashes(["a", "edge-1"], kind="node").tolist() == GOLDEN_NODES


def test_the_scores_are_those_of_old():
    found = scores(
        hashes(["k7xq2m4w3a", "www"], kind="site"),
        hashes(["edge-1", "edge-2", "edge-3"], kind="node"),
        np.array([100.0, 100.0, 250.0]),
    )
    assert found == pytest.approx(np.array(GOLDEN_SCORES), rel=1e-12)


def test_the_places_are_those_of_old():
    nodes = [replace(n, weight=100 + 50 * number) for number, n in enumerate(fleet(8))]
    found = {key: chosen([SiteFacts(key)], nodes, replicas=3)[0] for key in GOLDEN_PLACES}
    assert found == GOLDEN_PLACES


def test_the_formula_in_plain_python_gives_the_same_scores():
    def hashed(name, kind):
        return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8, person=kind).digest(), "little")

    def score(site, node_name, weight):
        bits, ones = hashed(site, b"site") ^ hashed(node_name, b"node"), 2**64 - 1
        bits ^= bits >> 33
        bits = bits * 0xFF51AFD7ED558CCD & ones
        bits ^= bits >> 33
        bits = bits * 0xC4CEB9FE1A85EC53 & ones
        bits ^= bits >> 33
        return -weight / math.log(((bits >> 12) + 0.5) / 2**52)

    sites, names = [f"s{n}" for n in range(20)], [f"edge-{n}" for n in range(20)]
    found = scores(hashes(sites, kind="site"), hashes(names, kind="node"), np.arange(1.0, 21.0))
    for row, site in enumerate(sites):
        expected = [score(site, name, column + 1) for column, name in enumerate(names)]
        assert found[row] == pytest.approx(expected, rel=1e-12)


def test_a_site_and_a_node_of_one_name_hash_differently():
    assert hashes(["a"], kind="site") != hashes(["a"], kind="node")


@pytest.mark.parametrize("weights", [[100] * 10, [100, 200, 300, 400], [1, 10_000, 5_000], [50, 50, 50, 850]])
def test_first_places_are_shared_out_by_weight_within_5_percent(weights):
    nodes = [node(f"edge-{number}", weight=weight) for number, weight in enumerate(weights)]
    for load in loads(answers(many_sites(100_000), nodes, replicas=1)):
        if load.expected > 0.01:  # of a share of 1 in 15,000 there are too few sites to tell
            assert load.share == pytest.approx(load.expected, rel=0.05)
        else:
            assert load.share == pytest.approx(load.expected, abs=0.0005)


def test_all_100_equal_nodes_have_the_same_share_of_answers_within_5_percent():
    steering = answers(many_sites(400_000), fleet(100), replicas=2)
    counts = members(steering).sum(axis=0)
    assert counts.sum() == 800_000
    assert np.abs(counts / 8_000 - 1).max() < 0.05


def test_removing_one_of_100_nodes_moves_only_its_sites():
    sites, nodes = many_sites(10_000), fleet(100)
    before = chosen(sites, nodes)
    after = chosen(sites, [n for n in nodes if n.name != "edge-17"])
    moved = [row for row in range(10_000) if before[row] != after[row]]
    its = [row for row in range(10_000) if "edge-17" in before[row]]
    assert moved == its
    assert 150 < len(its) < 250  # 2 of 100 places
    for row in its:  # the other node stays; one other joins it
        (stays,) = [name for name in before[row] if name != "edge-17"]
        assert stays in after[row]


def test_a_node_that_goes_down_moves_what_one_that_is_removed_does():
    sites, nodes = many_sites(10_000), fleet(100)
    down = [replace(n, state="down") if n.name == "edge-17" else n for n in nodes]
    before, after = answers(sites, nodes), answers(sites, down)
    moved = takeover(before, after)
    assert moved.lost == {"edge-17": moved.moved}
    assert sum(moved.gained.values()) == moved.moved
    assert moved.emptied == 0
    assert len(moved.gained) > 50  # its sites are spread over all others
    assert chosen(sites, down) == chosen(sites, [n for n in nodes if n.name != "edge-17"])


def test_adding_a_node_moves_only_what_it_wins():
    sites = many_sites(10_000)
    before, after = chosen(sites, fleet(100)), chosen(sites, [*fleet(100), node("edge-new")])
    moved = [row for row in range(10_000) if before[row] != after[row]]
    assert moved == [row for row in range(10_000) if "edge-new" in after[row]]
    assert all(len({*after[row]} - {*before[row]}) == 1 for row in moved)
    assert 130 < len(moved) < 270


def test_more_weight_for_one_node_takes_sites_from_others_and_gives_none_away():
    sites, nodes = many_sites(10_000), fleet(20)
    heavier = [replace(n, weight=200) if n.name == "edge-3" else n for n in nodes]
    moved = takeover(answers(sites, nodes), answers(sites, heavier))
    assert set(moved.gained) == {"edge-3"}
    assert "edge-3" not in moved.lost
    assert moved.moved == moved.gained["edge-3"] > 500


def test_more_replicas_add_nodes_and_change_none():
    for two, three in zip(
        chosen(many_sites(2_000), fleet(30), replicas=2),
        chosen(many_sites(2_000), fleet(30), replicas=3),
        strict=True,
    ):
        assert three[:2] == two
