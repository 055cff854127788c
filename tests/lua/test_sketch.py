"""The most frequent of many names: exact while there is room, and within the bound after that."""

import random
from collections import Counter

from tests.lua.runtime import module, to_python

sketch = module("sketch")


def test_counts_are_exact_while_there_is_room():
    paths = sketch.new(3)
    for name, amount in [("/a", 2), ("/b", 5), ("/c", 1), ("/a", 4)]:
        sketch.add(paths, name, amount)
    assert to_python(sketch.top(paths, 2)) == [["/a", 6], ["/b", 5]]


def test_a_full_one_holds_what_is_frequent_and_counts_too_much_within_the_bound_only():
    size, chance = 32, random.Random(1)
    paths, truth = sketch.new(size), Counter()
    for _ in range(20_000):
        name = f"/{int(chance.paretovariate(0.7))}"  # a few often, thousands once
        truth[name] += 1
        sketch.add(paths, name, 1)
    held = dict(to_python(sketch.top(paths, size)))
    bound = 20_000 / size
    assert len(truth) > 10 * size
    assert len(held) == size
    assert all(truth[name] <= count <= truth[name] + bound for name, count in held.items())
    assert {name for name, count in truth.items() if count > bound} <= set(held)


def test_it_never_grows():
    paths = sketch.new(8)
    for number in range(1000):
        sketch.add(paths, f"/{number}", 1)
    assert len(to_python(paths.counts)) == len(to_python(paths.place)) == len(to_python(paths.names)) == 8
