"""What is said first of an edge: the worst of what is true."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edge.edge_line import edge_facts, edge_line
from edge.services import EdgeState
from nodes.models import Node

NOW = datetime(2026, 11, 24, 14, 3, 12, tzinfo=UTC)
REFUSALS = {"domain:www.x.example": {"epoch": 1, "rev": 3, "why": "no origins"}}


def edge(**said: Any) -> EdgeState:
    """An edge that is well, but for what is said otherwise."""
    well: dict[str, Any] = {
        "node": Node(name="edge-1"),
        "serving": True,
        "heard": True,
        "heard_at": NOW - timedelta(seconds=1),
        "epoch": 1,
        "rev": 7,
        "behind": 0,
        "state": "live",
        "config_errors": 0,
        "refusals": {},
        "orphans": 0,
        "orphan_names": [],
        "version": "0.1.0",
        "skew": 0.01,
        "domains": 3,
    }
    return EdgeState(**(well | said))


@pytest.mark.parametrize(
    ("said", "tone", "sentence"),
    [
        ({}, "ok", "live, has every change"),
        ({"failure": "Redis cannot be reached"}, "pending", "not known: Redis cannot be reached"),
        ({"heard_at": None}, "refused", "never heard of: start it with manage.py run_edge --node edge-1"),
        ({"heard": False}, "refused", "silent since 2026-11-24 14:03:11"),
        ({"heard": False, "serving": False}, "off", "silent since 2026-11-24 14:03:11"),
        ({"refusals": REFUSALS, "behind": 2}, "refused", "refuses 1 document"),
        ({"state": "loading", "behind": 2}, "pending", "loading its configuration"),
        ({"behind": 1}, "pending", "1 change behind"),
        ({"behind": 2}, "pending", "2 changes behind"),
        ({"skew": -75.0}, "pending", "its clock is 75 s behind Redis's"),
        ({"orphans": 2}, "pending", "serves 2 documents that nobody knows of"),
    ],
)
def test_the_first_thing_to_know(said, tone, sentence, time_machine):
    time_machine.move_to(NOW + timedelta(days=1))

    line = edge_line(edge(**said))

    assert (line.tone, line.sentence) == (tone, sentence)


def test_facts_are_shown_of_an_edge_that_was_heard():
    facts = dict(edge_facts(edge(), now=NOW))

    assert facts["Last heard"] == "1.0 s ago"
    assert facts["Revision"] == "7, 0 behind"
    assert edge_facts(edge(heard_at=None), now=NOW) == []
