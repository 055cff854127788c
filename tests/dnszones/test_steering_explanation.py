"""What an operator is told of a site's nodes, and of what would move."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnszones.distribution import loads, takeover
from dnszones.explanation import Verdict, explain, listed, nodes_without
from dnszones.steering import RegionFacts, SiteFacts, answers
from tests.dnszones.fleets import fleet, many_sites, node
from tests.dnszones.test_steering_properties import fleets, regions, shares, sites

FLEET = [
    node("edge-1"),
    node("edge-2", state="down"),
    node("edge-3", "us", weight=300),
    node("edge-4", "us", "draining"),
    node("edge-5", "us", "pending"),
    node("edge-6", "us", ipv4=""),
    node("edge-7", "us", "maintenance"),
]
ABC = SiteFacts("abc")


def row(explanation, name):
    (found,) = [row for row in explanation.rows if row.node == name]
    return found


def verdicts(explanation):
    return {row.node: str(row.verdict) for row in explanation.rows}


def masks(nodes, *ready):
    return np.array([[node.name in ready for node in nodes]])


def test_the_whole_table_of_a_site():
    found = explain(ABC, FLEET)
    assert found.sentence == "Clients are sent to edge-3 and edge-1 (IPv4 and IPv6)."
    assert found.notes == ("They are chosen from the healthy nodes of all regions.",)
    assert [
        (r.node, r.region, r.state, r.weight, round(r.share, 2), r.place, str(r.verdict)) for r in found.rows
    ] == [
        ("edge-3", "us", "up", 300, 0.6, 1, "won"),
        ("edge-1", "eu", "up", 100, 0.2, 2, "won"),
        ("edge-6", "us", "up", 100, 0.2, 3, "lost"),
        ("edge-2", "eu", "down", 100, 0.0, None, "down"),
        ("edge-4", "us", "draining", 100, 0.0, None, "draining"),
        ("edge-5", "us", "pending", 100, 0.0, None, "pending"),
        ("edge-7", "us", "maintenance", 100, 0.0, None, "maintenance"),
    ]
    assert [r.sentence for r in found.rows] == [
        "Answers for IPv4 and IPv6: place 1 of 3 by score.",
        "Answers for IPv4 and IPv6: place 2 of 3 by score.",
        "Not needed: place 3 of 3 by score.",
        "It is down.",
        "It is draining: no new clients are sent to it.",
        "It has never been in service.",
        "It is in maintenance.",
    ]


def test_what_if_a_node_goes_down():
    found = explain(ABC, FLEET, without=["edge-1"])
    assert found.sentence == "Clients are sent to edge-3 for IPv4, and to edge-3 and edge-6 for IPv6."
    assert found.notes[-1] == "No node of eu is up."
    assert (row(found, "edge-1").state, row(found, "edge-1").verdict) == ("down", Verdict.DOWN)
    assert (row(found, "edge-6").ipv4, row(found, "edge-6").ipv6) == (Verdict.NO_IPV4, Verdict.WON)
    assert row(found, "edge-6").sentence == "Answers for IPv6: place 2 of 2 by score. It has no IPv4 address."


def test_what_if_all_nodes_go_down():
    found = explain(ABC, FLEET, without=[n.name for n in FLEET])
    assert found.notes[:2] == (
        "They are chosen from all nodes that are down or draining: "
        "with nearly all of them down, the probes are doubted.",
        "Only 0 of 2 nodes of eu are up: all of them are answered, since the probes may be wrong.",
    )
    assert row(found, "edge-2").sentence.endswith("by score, although it is down.")


def test_a_node_that_does_not_serve_cannot_go_down():
    assert [n.state for n in nodes_without(FLEET, ["edge-5", "edge-7", "nobody"])] == [n.state for n in FLEET]


def test_nodes_of_other_regions_and_nodes_that_are_not_pinned_are_told():
    assert verdicts(explain(SiteFacts("abc", regions=("us",)), FLEET))["edge-1"] == "wrong region"
    found = explain(SiteFacts("abc", pinned=frozenset({"edge-1"})), FLEET)
    assert verdicts(found)["edge-3"] == "not pinned"
    assert found.notes == ("They are chosen from the nodes that it is pinned to.",)


def test_a_pin_that_cannot_be_kept_is_told():
    found = explain(SiteFacts("abc", pinned=frozenset({"edge-2", "edge-4"})), FLEET)
    assert "Of the nodes that it is pinned to (edge-2, edge-4) none can serve it now." in found.notes
    assert row(found, "edge-3").verdict == Verdict.WON


def test_an_exclusion_is_told_whether_it_is_kept_or_not():
    assert verdicts(explain(SiteFacts("abc", excluded=frozenset({"edge-3"})), FLEET))["edge-3"] == "excluded"
    found = explain(SiteFacts("abc", excluded=frozenset(n.name for n in FLEET)), FLEET)
    assert "They are chosen from nodes that it excludes, as no other can serve it." in found.notes
    assert row(found, "edge-3").sentence.endswith("by score, although the site excludes it.")


def test_a_region_that_took_over_is_told():
    nodes = [node("eu-1", state="down"), node("us-1", "us")]
    found = explain(SiteFacts("abc", regions=("eu",)), nodes, [RegionFacts("eu", ("us",))])
    assert found.notes == (
        "They are chosen from the regions that take over, as its own have no healthy node for it.",
        "No node of eu is up.",
    )


def test_who_waits_for_the_site_is_told():
    found = explain(ABC, FLEET, ready=masks(FLEET, "edge-1"))
    assert found.sentence == "Clients are sent to edge-1 (IPv4 and IPv6)."
    assert found.notes[-1] == "Would answer, but do not have the site yet: edge-3."
    assert row(found, "edge-3").verdict == Verdict.NOT_READY
    assert row(found, "edge-3").sentence == "Waits: place 1 of 3 by score, but it does not have the site yet."


def test_a_site_that_nobody_has_yet_has_no_addresses():
    found = explain(ABC, FLEET, ready=masks(FLEET))
    assert found.sentence == "The DNS gives no addresses for it."
    assert found.notes[-1] == "Would answer, but do not have the site yet: edge-3, edge-1."


def test_a_further_group_for_ipv4_is_told():
    nodes = [node("eu-1", ipv4=""), node("us-1", "us")]
    found = explain(SiteFacts("abc", regions=("eu",)), nodes)
    assert found.sentence == "Clients are sent to us-1 for IPv4, and to eu-1 for IPv6."
    assert row(found, "us-1").sentence == "Answers for IPv4, from a further group of nodes."
    assert found.notes[1].startswith("For IPv4 they are healthy nodes anywhere")


def test_without_a_node_that_could_serve_there_is_a_sentence_too():
    found = explain(ABC, [node("new", state="pending")])
    assert found.sentence == "The DNS gives no addresses for it."
    assert found.notes == ("There is no node that is neither pending nor in maintenance.",)
    assert explain(ABC, []).rows == ()


@settings(deadline=None)
@given(sites, fleets(), regions, shares, st.data())
def test_every_explanation_agrees_with_the_answer(site, nodes, areas, share, data):
    ready = np.array(
        [data.draw(st.lists(st.booleans(), min_size=len(nodes), max_size=len(nodes)))], dtype=bool
    )
    ready = ready.reshape(1, len(nodes))
    found = explain(site, nodes, areas, safety_share=share, ready=ready)
    assert found.answer == answers([site], nodes, areas, safety_share=share, ready=ready).answer(0)
    assert {r.node for r in found.rows if r.ipv4 == Verdict.WON} == {*found.answer.ipv4}
    assert {r.node for r in found.rows if r.ipv6 == Verdict.WON} == {*found.answer.ipv6}
    assert {r.node for r in found.rows} == {n.name for n in nodes}
    assert {r.node for r in found.rows if r.verdict == Verdict.NOT_READY} >= {*found.answer.waiting} - {
        r.node for r in found.rows if r.verdict == Verdict.WON
    }
    assert all(r.sentence.endswith(".") for r in found.rows)


def test_names_are_listed_as_people_do():
    assert [listed("a"), listed("ab"), listed("abc")] == ["a", "a and b", "a, b and c"]


def test_the_loads_of_a_fleet():
    nodes = [node("edge-0", weight=300), node("edge-1"), node("edge-2", state="down"), node("edge-3", "us")]
    found = {load.node.name: load for load in loads(answers(many_sites(20_000), nodes))}
    assert sum(load.first for load in found.values()) == 20_000
    assert sum(load.sites for load in found.values()) == 40_000
    assert [found[name].expected for name in sorted(found)] == [0.6, 0.2, 0.0, 0.2]
    assert [found[name].share for name in sorted(found)] == pytest.approx([0.6, 0.2, 0.0, 0.2], abs=0.01)
    assert found["edge-2"].sites == 0


def test_loads_count_the_first_place_of_a_site_with_ipv6_alone():
    (load,) = loads(answers(many_sites(10), [node("edge-0", ipv4="")]))
    assert (load.sites, load.first, load.share) == (10, 10, 1.0)


def test_loads_of_nothing():
    assert loads(answers([], [])) == []
    assert [(load.sites, load.share) for load in loads(answers([], fleet(1)))] == [(0, 0.0)]


def test_who_takes_over_when_a_node_goes_down():
    sites, nodes = many_sites(5_000), fleet(10)
    found = takeover(answers(sites, nodes), answers(sites, nodes_without(nodes, ["edge-4"])))
    assert found.sites == 5_000
    assert 900 < found.moved < 1_100
    assert found.lost == {"edge-4": found.moved}
    assert sum(found.gained.values()) == found.moved
    assert set(found.gained) == {n.name for n in nodes} - {"edge-4"}


def test_a_site_that_would_have_no_answer_is_counted():
    sites, nodes = many_sites(10), fleet(2)
    has = np.array([[True, False]] * 10)
    before = answers(sites, nodes, ready=has)
    after = answers(sites, nodes, ready=has & False)
    assert takeover(before, after).emptied == 10
    assert takeover(after, after).emptied == 0  # they had none before


def test_a_draining_node_may_go_down_too():
    nodes = [node("leaving", state="draining"), *(node(f"edge-{n}", state="down") for n in range(1))]
    assert nodes_without(nodes, ["leaving"])[0].state == "down"
    assert explain(ABC, nodes).answer.names == {"leaving"}
    assert explain(ABC, nodes, without=["leaving"]).answer.names == {"leaving", "edge-0"}


def test_answers_of_different_sites_are_not_compared():
    with pytest.raises(ValueError, match="same sites"):
        takeover(answers(many_sites(1), fleet(2)), answers(many_sites(2), fleet(2)))
