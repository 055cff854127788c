"""In which order origins are asked."""

import random
from collections import Counter

from tests.lua.runtime import module, to_lua, to_python

origins = module("origins")


def order(all_origins, *, cooling=(), seed=0):
    chance = random.Random(seed)
    return to_python(
        origins.order(to_lua(all_origins), lambda origin: origin.label in cooling, chance.random)
    )


def origin(label, weight=100, backup=False):
    return {"label": label, "weight": weight, "backup": backup}


def test_the_first_is_chosen_in_proportion_to_the_weights():
    three = [origin("a", 100), origin("b", 200), origin("c", 700)]
    first = Counter(order(three, seed=seed)[0] for seed in range(5000))
    assert abs(first[1] / 5000 - 0.1) < 0.02
    assert abs(first[2] / 5000 - 0.2) < 0.02
    assert abs(first[3] / 5000 - 0.7) < 0.02


def test_every_origin_is_asked_once():
    assert sorted(order([origin(str(i), i + 1) for i in range(9)], seed=3)) == list(range(1, 10))


def test_a_backup_comes_after_the_others_whatever_it_weighs():
    assert [order([origin("a", backup=True, weight=1000), origin("b", 1)], seed=s) for s in range(20)] == [
        [2, 1]
    ] * 20


def test_one_that_has_just_failed_comes_last_even_after_a_backup():
    three = [origin("failed"), origin("backup", backup=True), origin("good")]
    assert order(three, cooling={"failed"}) == [3, 2, 1]
    assert order(three, cooling={"failed", "good", "backup"})[2] == 2


def test_a_request_that_may_have_changed_something_is_not_sent_twice():
    assert not origins.may_retry("POST", True)
    assert origins.may_retry("POST", False)
    assert origins.may_retry("GET", True)
