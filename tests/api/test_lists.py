"""Pages, filters, search and ordering of lists."""

from urllib.parse import parse_qs, urlsplit

import pytest

from nodes.models import Node
from tests.factories import NodeFactory, RegionFactory

pytestmark = pytest.mark.django_db
NODES = "/api/v1/nodes"


def names(client, address: str) -> list[str]:
    """The names on all pages."""
    found = []
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.json()
        found += [node["name"] for node in answer.json()["results"]]
        address = answer.json()["next"]
    return found


@pytest.fixture(autouse=True)
def nodes(keyspace):
    north = RegionFactory(name="north")
    states = ["up", "down", "up", "draining", "up"]
    return [
        NodeFactory(name=f"n{number}", state=state, **({"region": north} if number > 2 else {}))
        for number, state in enumerate(states)
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("ordering", ["name", "-name", "state", "-state,name", "state,-name"])
def test_all_pages_together_are_the_list(limit, ordering, boss):
    last = "-pk" if ordering.split(",")[-1].startswith("-") else "pk"
    wanted = list(Node.objects.order_by(*ordering.split(","), last))
    assert names(boss, f"{NODES}?limit={limit}&ordering={ordering}") == [node.name for node in wanted]


def test_what_comes_or_goes_between_two_pages_moves_no_other_row(boss, nodes):
    first = boss.get(f"{NODES}?limit=2").json()
    nodes[0].delete()
    NodeFactory(name="a-new-one")
    assert names(boss, first["next"]) == ["n2", "n3", "n4"]


def test_the_next_page_is_in_the_header_too(boss):
    answer = boss.get(f"{NODES}?limit=2")
    assert answer["Link"] == f'<{answer.json()["next"]}>; rel="next"'
    assert "Link" not in boss.get(NODES)


def test_a_cursor_is_of_its_ordering(boss):
    cursor = boss.get(f"{NODES}?limit=2").json()["next"].partition("cursor=")[2]
    assert boss.get(f"{NODES}?ordering=-name&cursor={cursor}").status_code == 400


def test_a_cursor_is_of_its_list(boss):
    RegionFactory(name="south")
    [cursor] = parse_qs(urlsplit(boss.get("/api/v1/regions?limit=1").json()["next"]).query)["cursor"]
    assert boss.get("/api/v1/regions", {"cursor": cursor}).status_code == 200
    answer = boss.get(NODES, {"cursor": cursor})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["reason"].startswith("It belongs to another list")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("region=north", ["n3", "n4"]),
        ("state=up", ["n0", "n2", "n4"]),
        ("state__in=down,draining", ["n1", "n3"]),
        ("state=up&region=north", ["n4"]),
        ("search=north n4", ["n4"]),
        ("search=nowhere", []),
        ("is_edge=false", []),
    ],
)
def test_filters_and_search(query, found, boss):
    assert names(boss, f"{NODES}?{query}") == found


@pytest.mark.parametrize(
    ("address", "parameter", "reason"),
    [
        ("/api/v1/outbox?object_id=0.5", "object_id", "It is a whole number."),
        ("/api/v1/outbox?object_id=1e3", "object_id", "It is a whole number."),
        (f"{NODES}?ordering=", "ordering", "Not by “”. By: "),
        (f"{NODES}?cursor=", "cursor", "It is none of ours"),
        (f"{NODES}?limit=1&limit=2", "limit", "It is given more than once."),
        (f"{NODES}?state=up&state=down", "state", "It is given more than once."),
        (f"{NODES}/n1/state-changes?search=a", "search", "There is no such parameter."),
        (f"{NODES}/n1?a=1&a=1", "a", "There is no such parameter."),
        ("/api/v1/sites/summary?within=a", "within", "There is no such parameter."),
        (f"{NODES}?ordering=name,", "ordering", "Not by “”. By: "),
        ("/api/v1/sites/summary?without=n9", "without", "There is no node “n9”."),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_named(address, parameter, reason, boss):
    answer = boss.get(address)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["field"] == f"?{parameter}"
    assert error["reason"].startswith(reason)


def test_a_list_costs_the_same_number_of_queries_for_any_length(boss, django_assert_num_queries):
    boss.get(NODES)
    with django_assert_num_queries(2):  # the token and the rows
        assert len(boss.get(f"{NODES}?limit=1").json()["results"]) == 1
    with django_assert_num_queries(2):
        assert len(boss.get(NODES).json()["results"]) == 5
