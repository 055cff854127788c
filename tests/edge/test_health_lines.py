"""The health of nodes in words, on the pages of the portal and in its metrics."""

import pytest
from django.urls import reverse

from alarms.services import alarm_raise
from edge.health.lines import health_line, nodes_health, vantage_rows, view_facts
from edge.health.reports import Known, read_known, write_reports
from nodes.health.damping import Damping, Verdict
from nodes.health.votes import Report
from nodes.models import Node
from tests.factories import NodeFactory

NOW = 1_000_000.0


@pytest.fixture
def vantages(settings):
    """`vantages("a", "b")`: with these vantage points."""

    def set_them(*names):
        settings.CIRRUS = settings.CIRRUS.model_copy(update={"vantage_points": list(names)})

    return set_them


def report(verdict=Verdict.UP, *, ok=None, age=1.0, fails=0, streak=3, now=NOW, **more) -> Report:
    seen = verdict is Verdict.UP if ok is None else ok
    damping = Damping(verdict, fails=fails, streak=streak)
    return Report(**{"at": now - age, "ok": seen, "damping": damping, "trial": 1, "ms": 3.2} | more)


def health_of(*, state=Node.State.UP, failure="", **reports: Report):
    node = NodeFactory(name="edge-1", state=state)
    Node.objects.update(trial=1)
    node.refresh_from_db()
    known = Known(now=NOW, reports={"edge-1": reports}, failure=failure)
    return nodes_health([node], known=known)["edge-1"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("reports", "tone", "sentence"),
    [
        ({}, "pending", "not probed yet"),
        ({"local": report(age=40)}, "pending", "not probed for 40 s: is a worker running, and beat?"),
        ({"local": report()}, "ok", "up, answers in 3 ms"),
        (
            {"local": report(ok=False, why="nothing answers")},
            "pending",
            "up, and a probe has failed: nothing answers",
        ),
        (
            {"local": report(view={"problems": ["the log is full"]})},
            "pending",
            "up, and warns: the log is full",
        ),
        ({"local": report(Verdict.DOWN, why="it hangs")}, "refused", "down: it hangs"),
        (
            {"local": report(Verdict.UNKNOWN, ok=True, streak=2)},
            "pending",
            "not decided: 2 successes in a row",
        ),
        (
            {"local": report(Verdict.UNKNOWN, ok=True, streak=1, fails=2)},
            "pending",
            "not decided: 2 of 3 failures, 1 of 3 successes in a row",
        ),
        ({"gone": report()}, "pending", "not probed yet"),
    ],
)
def test_the_line_of_a_node(reports, tone, sentence):
    line = health_line(health_of(**reports))
    assert (line.tone, line.sentence) == (tone, sentence)


@pytest.mark.django_db
def test_the_line_where_vantage_points_disagree_or_are_too_few(vantages):
    vantages("a", "b")
    health = health_of(a=report(), b=report(Verdict.DOWN, ok=True))
    assert health_line(health).sentence == "not decided: up for a, down for b"
    vantages("a", "b", "c")
    few = nodes_health([health.node], known=Known(now=NOW, reports={"edge-1": {"a": report()}}))["edge-1"]
    assert health_line(few).sentence == "not decided: too few vantage points have a vote"


@pytest.mark.django_db
def test_nobody_probes_a_node_in_maintenance():
    assert health_line(health_of(state=Node.State.MAINTENANCE)).sentence == "not probed in maintenance"


@pytest.mark.django_db
def test_rows_and_facts(vantages):
    vantages("a", "b")
    view = {
        "contact_age": 0.2,
        "free_bytes": 2.5e9,
        "origin_errors": 12,
        "origin_timeouts": 3,
        "problems": ["x"],
    }
    health = health_of(a=report(view=view), b=report(Verdict.DOWN, why="it hangs", age=3, fails=3, streak=0))

    assert [(row.vantage, row.line.sentence, row.counts, row.ago) for row in vantage_rows(health)] == [
        ("a", "up: answered in 3 ms", "3 successes in a row", "1.0 s ago"),
        ("b", "down: it hangs", "3 of 3 failures", "3.0 s ago"),
    ]
    assert dict(view_facts(health)) == {
        "Configuration": "0.2 s old",
        "Free on the cache's disk": "2.5 GB",
        "Attempts at origins that failed": "12",
        "Attempts at origins that took too long": "3",
        "It warns": "x",
    }


# -- pages and metrics -----------------------------------------------------------------------------


@pytest.fixture
def reported(transactional_db, keyspace):
    """edge-1, found up just now; its edge says something that must be escaped."""
    node = NodeFactory(name="edge-1")
    now = read_known([]).now
    write_reports("local", {"edge-1": report(now=now, trial=node.trial, view={"problems": ["<b>full</b>"]})})
    return node


def test_the_pages_of_a_node_show_its_health(admin_client, reported):
    page = admin_client.get(reverse("admin:nodes_node_change", args=[reported.pk])).content.decode()
    assert "Its health:" in page
    assert "up, and warns: &lt;b&gt;full&lt;/b&gt;" in page
    assert "answered in 3 ms" in page
    assert "up, and warns" in admin_client.get("/admin/nodes/node/").content.decode()
    assert "Its health:" not in admin_client.get("/admin/nodes/node/add/").content.decode()


def test_with_redis_down_the_health_is_not_known(admin_client, reported, keyspace):
    keyspace.stop()
    page = admin_client.get(reverse("admin:nodes_node_change", args=[reported.pk])).content.decode()
    assert "Its health:" in page
    assert "not known: Redis cannot be reached" in page


def test_the_metrics_tell_states_and_probes_and_alarms(client, reported):
    alarm_raise(kind="fire", subject="house", sentence="It burns.")
    text = client.get("/metrics").content.decode()

    assert 'cirrus_node_state{node="edge-1",state="up"} 1.0' in text
    assert 'cirrus_node_state{node="edge-1",state="down"} 0.0' in text
    assert 'cirrus_node_probe_ok{node="edge-1",vantage="local"} 1.0' in text
    assert 'cirrus_node_probe_seconds{node="edge-1",vantage="local"} 0.0032' in text
    assert 'cirrus_node_probe_age_seconds{node="edge-1",vantage="local"}' in text
    assert 'cirrus_alarms{kind="fire"} 1.0' in text


def test_the_overview_shows_the_open_alarms_or_that_nothing_is_wrong(admin_client, keyspace):
    assert "Nothing is wrong." in admin_client.get("/admin/").content.decode()
    alarm_raise(kind="fire", subject="house", sentence="It <burns>.")
    page = admin_client.get("/admin/").content.decode()
    assert "It &lt;burns&gt;." in page
    assert "Nothing is wrong." not in page
