"""Who answers: health, regions, families, and what operators wish."""

import numpy as np
import pytest

from dnszones.eligibility import Eligibility, PoolKind
from dnszones.steering import RegionFacts, SiteFacts, answers
from tests.dnszones.fleets import fleet, many_sites, node


def steer(nodes, regions=(), *, safety_share=0.5, replicas=8, **site):
    """The answer of one site that wants all the nodes it may have."""
    return answers(
        [SiteFacts("a", **site)], nodes, regions, replicas=replicas, safety_share=safety_share
    ).answer(0)


def names(*numbers):
    return {f"edge-{number}" for number in numbers}


# Health.


def test_nodes_that_are_down_pending_draining_or_in_maintenance_are_not_answered():
    nodes = [
        node("up"),
        *(node(state, state=state) for state in ("down", "pending", "draining", "maintenance")),
    ]
    assert steer(nodes).names == {"up"}


@pytest.mark.parametrize(("up", "down", "answered"), [(2, 2, 2), (1, 1, 1), (1, 2, 3), (3, 4, 7), (4, 3, 4)])
def test_probes_take_no_more_than_half_of_a_region_out(up, down, answered):
    nodes = [node(f"up-{n}") for n in range(up)] + [node(f"down-{n}", state="down") for n in range(down)]
    steering = answers([SiteFacts("a")], nodes, replicas=8)
    assert len(steering.answer(0).names) == answered
    assert steering.eligibility.regions["eu"].overridden == (answered == up + down)


def test_what_people_have_taken_out_does_not_count_for_the_share():
    nodes = [node("edge-1"), *(node(f"off-{n}", state="maintenance") for n in range(5))]
    steering = answers([SiteFacts("a")], [*nodes, node("leaving", state="draining")])
    assert steering.answer(0).names == {"edge-1"}
    assert not steering.eligibility.regions["eu"].overridden


def test_the_share_holds_for_each_region_apart():
    eu = [node("eu-1"), *(node(f"eu-{n}", state="down") for n in (2, 3))]
    us = [node("us-1", "us"), node("us-2", "us", "down")]
    steering = answers([SiteFacts("a")], [*eu, *us], replicas=8)
    assert steering.answer(0).names == {"eu-1", "eu-2", "eu-3", "us-1"}
    verdicts = steering.eligibility.regions
    assert verdicts["eu"].sentence == (
        "Only 1 of 3 nodes of eu are up: all of them are answered, since the probes may be wrong."
    )
    assert verdicts["us"].sentence == ""


def test_with_all_nodes_down_all_are_answered_and_every_region_is_overridden():
    nodes = [node("eu-1", state="down"), node("us-1", "us", "down"), node("off", state="maintenance")]
    steering = answers([SiteFacts("a")], nodes, replicas=8)
    assert steering.answer(0).names == {"eu-1", "us-1"}
    assert all(region.overridden for region in steering.eligibility.regions.values())


def test_a_draining_node_is_answered_rather_than_one_that_is_down():
    assert steer([node("leaving", state="draining"), node("dead", state="down")]).names == {"leaving"}


def test_one_draining_node_does_not_get_the_clients_of_ten_that_probes_doubt():
    nodes = [node("leaving", state="draining"), *(node(f"dead-{n}", state="down") for n in range(10))]
    named = {name for a in answers(many_sites(200), nodes) for name in a.names}
    assert len(named) == 11


def test_without_any_node_in_service_there_is_no_answer():
    assert steer([]).names == set()
    assert steer([node("new", state="pending"), node("off", state="maintenance")]).names == set()


# Regions.


def test_a_site_of_a_region_gets_its_nodes_alone():
    nodes = [node("eu-1"), node("us-1", "us"), node("us-2", "us")]
    assert steer(nodes, regions=[RegionFacts("eu", ("us",))]).names == {"eu-1", "us-1", "us-2"}
    assert answers([SiteFacts("a", regions=("eu",))], nodes).answer(0).names == {"eu-1"}


def in_eu(nodes, *backups):
    site = SiteFacts("a", regions=("eu",))
    regions = [RegionFacts("eu", backups), RegionFacts("us"), RegionFacts("asia")]
    return answers([site], nodes, regions, replicas=8).answer(0).names


def test_the_first_backup_with_a_healthy_node_takes_over():
    dead = [node("eu-1", state="down"), node("eu-2", state="maintenance")]
    others = [node("us-1", "us"), node("asia-1", "asia")]
    assert in_eu([*dead, *others], "asia", "us") == {"asia-1"}
    assert in_eu([*dead, *others], "us", "asia") == {"us-1"}
    assert in_eu([*dead, others[0], node("asia-1", "asia", "down")], "asia", "us") == {"us-1"}


def test_without_a_healthy_backup_all_healthy_nodes_take_over():
    dead = [node("eu-1", state="down")]
    others = [node("us-1", "us"), node("asia-1", "asia")]
    assert in_eu([*dead, *others]) == {"us-1", "asia-1"}
    assert in_eu([*dead, *others], "nowhere") == {"us-1", "asia-1"}


def test_with_nothing_up_anywhere_a_region_keeps_its_own_nodes():
    assert in_eu([node("eu-1", state="down"), node("us-1", "us", "down")], "us") == {"eu-1"}


def test_a_site_stays_in_its_regions_as_long_as_one_of_them_has_a_healthy_node():
    nodes = [node("eu-1", state="down"), node("us-1", "us"), node("asia-1", "asia")]
    site = SiteFacts("a", regions=("eu", "us"))
    assert answers([site], nodes, [RegionFacts("eu", ("asia",))]).answer(0).names == {"us-1"}


def test_regions_that_nobody_has_told_of_are_regions_all_the_same():
    assert steer([node("eu-1", "unheard-of")]).names == {"eu-1"}
    assert answers([SiteFacts("a", regions=("nowhere",))], fleet(1)).answer(0).names == {"edge-0"}


# Families.


def test_each_family_has_as_many_nodes_as_are_wanted():
    for answer in answers(many_sites(500), fleet(10), replicas=3):
        assert len({*answer.ipv4}) == len({*answer.ipv6}) == 3
        assert answer.ipv4 == answer.ipv6


def test_a_node_without_ipv6_takes_no_place_of_ipv6():
    nodes = [*(node(f"old-{n}", ipv6="") for n in range(8)), node("new-1"), node("new-2")]
    for answer in answers(many_sites(300), nodes, replicas=2):
        assert {*answer.ipv6} == {"new-1", "new-2"}
        assert len(answer.ipv4) == 2


def test_where_no_node_has_ipv6_there_is_no_ipv6_rather_than_a_far_node():
    nodes = [node("eu-1", ipv6=""), node("us-1", "us")]
    answer = answers([SiteFacts("a", regions=("eu",))], nodes).answer(0)
    assert (answer.ipv4, answer.ipv6) == (("eu-1",), ())


def test_clients_without_ipv6_are_sent_farther_where_the_near_nodes_have_ipv6_alone():
    nodes = [node("eu-1", ipv4=""), node("us-1", "us")]
    answer = answers([SiteFacts("a", regions=("eu",))], nodes).answer(0)
    assert (answer.ipv4, answer.ipv6) == (("us-1",), ("eu-1",))


def test_a_site_may_want_its_own_number_of_nodes():
    sites = [SiteFacts("a"), SiteFacts("a", replicas=1), SiteFacts("a", replicas=5)]
    counts = [len(answer.ipv4) for answer in answers(sites, fleet(10))]
    assert counts == [2, 1, 5]


def test_no_more_nodes_than_there_are_can_be_answered():
    assert len(steer(fleet(3), replicas=8).ipv4) == 3


# What operators wish.


def test_a_pinned_site_gets_its_nodes_alone():
    assert steer(fleet(10), pinned=frozenset(names(3, 7))).names == names(3, 7)


def test_a_pin_is_stronger_than_the_regions():
    nodes = [node("eu-1"), node("us-1", "us")]
    site = SiteFacts("a", pinned=frozenset({"us-1"}), regions=("eu",))
    assert answers([site], nodes).answer(0).names == {"us-1"}


def test_where_no_pinned_node_can_serve_the_others_do():
    nodes = [*fleet(3), node("pinned", state="down")]
    assert steer(nodes, pinned=frozenset({"pinned"})).names == names(0, 1, 2)
    assert steer(nodes, pinned=frozenset({"deleted"})).names == names(0, 1, 2)


def test_with_nothing_up_the_pin_holds_again():
    nodes = [node(f"edge-{n}", state="down") for n in range(5)]
    assert steer(nodes, pinned=frozenset(names(2))).names == names(2)


def test_an_excluded_node_is_not_answered():
    assert steer(fleet(4), excluded=frozenset(names(1, 2))).names == names(0, 3)


def test_an_exclusion_is_stronger_than_a_pin():
    both = {"pinned": frozenset(names(1, 2)), "excluded": frozenset(names(2))}
    assert steer(fleet(4), **both).names == names(1)
    both["excluded"] = frozenset(names(1, 2))
    assert steer(fleet(4), **both).names == names(0, 3)


def test_a_node_that_is_down_is_answered_before_one_that_is_excluded():
    nodes = [node("edge-0"), node("edge-1", state="down"), node("edge-2", state="draining")]
    assert steer(nodes, excluded=frozenset(names(0))).names == names(2)
    assert steer(nodes, excluded=frozenset(names(0, 2))).names == names(1)


def test_a_site_that_excludes_all_nodes_gets_the_healthy_ones():
    nodes = [node("edge-0"), node("edge-1", state="down"), node("edge-2")]
    assert steer(nodes, excluded=frozenset(names(0, 1, 2))).names == names(0, 2)


def test_the_wishes_of_one_site_do_not_touch_another():
    sites = [
        SiteFacts("a", pinned=frozenset(names(1))),
        SiteFacts("a"),
        SiteFacts("a", excluded=frozenset(names(1))),
        SiteFacts("a", pinned=frozenset(names(1))),
    ]
    found = [answer.names for answer in answers(sites, fleet(10), replicas=10)]
    assert found == [names(1), names(*range(10)), names(0, *range(2, 10)), names(1)]


def test_pools_are_never_empty_and_never_repeated():
    nodes = [node("eu-1"), node("us-1", "us"), node("eu-2", state="down"), node("eu-3", state="draining")]
    found = Eligibility(nodes, [RegionFacts("eu", ("us",))]).pools(
        SiteFacts("a", pinned=frozenset({"eu-2"}), excluded=frozenset({"eu-1"}), regions=("eu",))
    )
    assert [(pool.kind, {*pool.names}) for pool in found] == [
        (PoolKind.BACKUP, {"us-1"}),
        (PoolKind.DRAINING, {"eu-3"}),
        (PoolKind.PINNED, {"eu-2"}),
        (PoolKind.EXCLUDED, {"eu-1"}),
        (PoolKind.EXCLUDED, {"eu-1", "us-1"}),
    ]


# Make before break.


def with_ready(ready, current=(), nodes=None, **site):
    """One site that wants two nodes: who has it, and who is answered now."""
    nodes = nodes or fleet(4)
    masks = [np.array([[n.name in of for n in nodes]]) for of in (ready, current)]
    return answers([SiteFacts("a", **site)], nodes, ready=masks[0], current=masks[1]).answer(0)


BEST = answers([SiteFacts("a")], fleet(4), replicas=4).answer(0).ipv4


def test_a_node_is_answered_only_once_it_has_the_site():
    answer = with_ready({BEST[1], BEST[2]})
    assert answer.ipv4 == answer.ipv6 == (BEST[1], BEST[2])
    assert answer.waiting == (BEST[0],)


def test_a_new_site_that_nobody_has_is_not_answered():
    answer = with_ready(set())
    assert answer.names == set()
    assert answer.waiting == BEST[:2]


def test_a_node_that_is_answered_goes_on_being_answered():
    assert with_ready(set(), current={BEST[0]}).ipv4 == (BEST[0],)
    answer = with_ready({BEST[1]}, current={BEST[0]})
    assert (answer.ipv4, answer.waiting) == (BEST[:2], ())


def test_a_stand_in_goes_when_the_wanted_node_has_the_site():
    assert with_ready({BEST[0], BEST[2]}, current={BEST[0], BEST[2]}).ipv4 == (BEST[0], BEST[2])
    assert with_ready({*BEST}, current={BEST[0], BEST[2]}).ipv4 == BEST[:2]


def test_a_new_site_waits_for_its_own_nodes_rather_than_be_sent_elsewhere():
    nodes = [node("eu-1"), node("us-1", "us")]
    answer = with_ready({"us-1"}, nodes=nodes, regions=("eu",))
    assert (answer.names, answer.waiting) == (set(), ("eu-1",))
    answer = with_ready({"us-1"}, nodes=nodes, pinned=frozenset({"eu-1"}))
    assert (answer.names, answer.waiting) == (set(), ("eu-1",))


def test_a_site_that_moves_is_answered_by_its_old_nodes_until_the_new_ones_have_it():
    nodes = [node("eu-1"), node("us-1", "us")]
    answer = with_ready({"us-1"}, current={"us-1"}, nodes=nodes, pinned=frozenset({"eu-1"}))
    assert (answer.names, answer.waiting) == ({"us-1"}, ("eu-1",))
    answer = with_ready({"us-1", "eu-1"}, current={"us-1"}, nodes=nodes, pinned=frozenset({"eu-1"}))
    assert (answer.names, answer.waiting) == ({"eu-1"}, ())


def test_a_draining_node_is_answered_until_another_one_has_the_site():
    nodes = [node("leaving", state="draining"), node("fresh")]
    assert with_ready({"leaving"}, current={"leaving"}, nodes=nodes).names == {"leaving"}
    assert with_ready({"fresh"}, current={"leaving"}, nodes=nodes).names == {"fresh"}


def test_the_masks_are_in_the_order_in_which_the_nodes_are_given():
    nodes = [*reversed(fleet(4))]
    assert with_ready({BEST[2]}, nodes=nodes).ipv4 == (BEST[2],)


def test_each_site_has_its_own_row_of_the_masks():
    sites, nodes = many_sites(3_000), fleet(100)  # more than are looked at together
    ready = np.random.default_rng(4).random((3_000, 100)) < 0.3
    for row, answer in enumerate(answers(sites, nodes, ready=ready)):
        has = {nodes[column].name for column in np.flatnonzero(ready[row])}
        assert answer.names <= has
        alone = answers([sites[row]], [n for n in nodes if n.name in has]).answer(0)
        assert (answer.ipv4, answer.ipv6) == (alone.ipv4, alone.ipv6)


def test_each_site_waits_for_its_own_nodes():
    sites, nodes = many_sites(3_000), fleet(100)
    steering = answers(sites, nodes, ready=np.zeros((3_000, 100), dtype=bool))
    wanted = [answer.ipv4 for answer in answers(sites, nodes)]
    assert [answer.waiting for answer in steering] == wanted


def test_no_sites_have_no_answers():
    assert list(answers([], fleet(3))) == []
    assert list(answers([], [], ready=np.zeros((0, 0), dtype=bool))) == []


def test_without_nodes_a_site_has_no_answer():
    assert answers([SiteFacts("a")], [], ready=np.zeros((1, 0), dtype=bool)).answer(0).names == set()
