"""The table of a domain's purges: pure, bounded, and never too little."""

import random

import pytest

from edge.purges import table
from edge.purges.table import MOST_RECORDS, WHOLE, Stamps, body, bounded, overflowing, stamped, wider


def matching(found, path, query=None):
    """The largest (hard, soft) stamps that an edge finds for a URL, as the contract says."""
    stamps = [found.get(WHOLE, Stamps()), found.get(("url", path), Stamps())]
    if query:
        stamps.append(found.get(("url", f"{path}?{query}"), Stamps()))
    stamps += [s for (scope, name), s in found.items() if scope == "prefix" and path.startswith(name)]
    return max(s.hard for s in stamps), max(s.soft for s in stamps)


def test_a_target_gets_the_stamp_of_its_sort_and_keeps_the_other():
    first = stamped({}, [("url", "/a", False)], 17)
    assert first == {("url", "/a"): Stamps(17, 0)}
    assert stamped(first, [("url", "/a", True)], 18) == {("url", "/a"): Stamps(17, 18)}


def test_a_later_purge_of_everything_leaves_nothing_else_to_say():
    full = stamped({}, [("url", "/a", False), ("tag", "t", True), ("prefix", "/b/", False)], 5)
    assert stamped(full, [("all", "", False)], 6) == {WHOLE: Stamps(6, 0)}


def test_a_soft_purge_of_everything_keeps_what_was_purged_hard():
    full = stamped({}, [("url", "/a", False), ("url", "/b", True)], 5)
    assert stamped(full, [("all", "", True)], 6) == {("url", "/a"): Stamps(5, 0), WHOLE: Stamps(0, 6)}


@pytest.mark.parametrize(
    ("key", "into"),
    [
        (("url", "/a/b?x=1"), ("url", "/a/b")),
        (("url", "/a/b"), ("prefix", "/a/")),
        (("url", "/a/"), ("prefix", "/a/")),
        (("url", "/"), ("prefix", "/")),
        (("prefix", "/a/b/"), ("prefix", "/a/")),
        (("prefix", "/img"), ("prefix", "/")),
        (("prefix", "//"), ("prefix", "/")),
        (("prefix", "/"), WHOLE),
        (("tag", "t"), WHOLE),
    ],
)
def test_each_name_is_widened_by_one_step(key, into):
    assert wider(key) == into


def test_variants_give_way_to_their_url_before_urls_to_their_directory():
    variants = [("url", f"/a/p?x={n}", False) for n in range(table.MOST_RECORDS)]
    found = stamped({}, [*variants, ("url", "/b/q", False)], 9)
    assert found == {("url", "/a/p"): Stamps(9, 0), ("url", "/b/q"): Stamps(9, 0)}


def test_which_targets_were_widened_is_known_and_what_was_meant_is_none_of_them():
    many = [("url", f"/d/{n}", False) for n in range(MOST_RECORDS + 1)]
    gone, is_whole = overflowing({}, [*many, ("tag", "t", False)], 7)
    assert ("tag", "t") not in gone
    assert ("url", "/d/1") in gone
    assert not is_whole

    tags = [("tag", f"t{n}", True) for n in range(MOST_RECORDS + 1)]
    gone, is_whole = overflowing({}, tags, 7)
    assert gone
    assert is_whole
    assert overflowing({}, [*many, ("all", "", False)], 7) == (set(), False)
    assert overflowing({}, many[:-1], 7) == (set(), False)


def test_the_fullest_directory_is_widened_and_the_others_stay():
    crowd = [("url", f"/crowd/{n}", False) for n in range(table.MOST_RECORDS)]
    found = stamped({}, [*crowd, ("url", "/few/1", False), ("url", "/few/2", True)], 9)
    assert found == {
        ("prefix", "/crowd/"): Stamps(9, 0),
        ("url", "/few/1"): Stamps(9, 0),
        ("url", "/few/2"): Stamps(0, 9),
    }


def test_pages_with_a_directory_each_are_widened_to_the_one_above():
    pages = [("url", f"/blog/{n}/", False) for n in range(table.MOST_RECORDS + 1)]
    assert stamped({}, pages, 9) == {("prefix", "/blog/"): Stamps(9, 0)}


def test_too_many_tags_purge_the_whole_domain():
    tags = [("tag", f"t{n}", n % 2 == 0) for n in range(table.MOST_RECORDS + 1)]
    assert stamped({}, tags, 9) == {WHOLE: Stamps(9, 9)}


def test_long_names_are_widened_before_the_document_is_too_large():
    count = table.MOST_CHARACTERS // table.LONGEST_NAME + 1
    long = [("url", f"/d/{n}".ljust(table.LONGEST_NAME, "x"), False) for n in range(count)]
    assert stamped({}, long, 9) == {("prefix", "/d/"): Stamps(9, 0)}


def test_exactly_as_many_records_as_there_is_room_for_stay_as_they_are():
    urls = [("url", f"/{n}", False) for n in range(table.MOST_RECORDS)]
    assert len(stamped({}, [*urls, ("all", "", True)], 9)) == table.MOST_RECORDS + 1


@pytest.mark.parametrize("seed", range(20))
def test_whatever_overflows_an_edge_finds_at_least_the_stamp_that_was_given(seed, monkeypatch):
    monkeypatch.setattr(table, "MOST_RECORDS", 8)
    chance = random.Random(seed)
    found, asked = {}, []
    for rev in range(1, 60):
        path = "/" + "/".join(chance.choice("abc") for _ in range(chance.randint(0, 4)))
        path += chance.choice(["", "/"]) if path != "/" else ""
        query, soft = chance.choice([None, "x=1", "x=2"]), chance.random() < 0.3
        scope = chance.choice(["url", "url", "prefix", "tag", "all" if chance.random() < 0.1 else "url"])
        name = {"url": f"{path}?{query}" if query else path, "prefix": path, "tag": path, "all": ""}[scope]
        before = found
        found = stamped(found, [(scope, name, soft)], rev)
        assert sum(key != WHOLE for key in found) <= 8
        asked.append((scope, name, path, query, soft, rev))
        for scope, name, path, query, soft, rev in asked:
            if scope == "tag":
                stamps = [found.get((scope, name), Stamps()), found.get(WHOLE, Stamps())]
                hard, old = max(s.hard for s in stamps), max(s.soft for s in stamps)
            else:
                hard, old = matching(found, path, query if scope == "url" else "y=9")
            # What is purged hard is gone, so a hard stamp does for a soft one too.
            assert (max(hard, old) if soft else hard) >= rev
        for _, _, path, query, _, _ in asked:
            assert matching(found, path, query)[0] >= matching(before, path, query)[0]


def test_bounding_what_is_within_bounds_changes_nothing():
    small = {("url", "/a"): Stamps(3, 0), ("tag", "t"): Stamps(0, 4), WHOLE: Stamps(2, 0)}
    assert bounded(small) == small


def test_the_body_lists_triples_by_name():
    found = {("url", "/b"): Stamps(3, 0), ("url", "/a"): Stamps(0, 4), ("prefix", "/p"): Stamps(1, 2)}
    assert body(found) == {
        "all": [0, 0],
        "urls": [["/a", 0, 4], ["/b", 3, 0]],
        "prefixes": [["/p", 1, 2]],
        "tags": [],
    }
