"""Rounds of probes against real status ports, decisions in the database, alarms."""

import threading

import pytest
from django.db import connection

from alarms.models import Alarm
from edge import keyspace as names
from edge.errors import RedisUnreachable
from edge.health.reports import encode, read_known, write_reports
from edge.health.services import health_decide, vantage_probe, vantages_ask
from nodes.health.damping import Damping, Verdict
from nodes.health.votes import Report
from nodes.models import Node
from nodes.services import node_drain, node_maintain, node_set_state, node_take_into_service
from tests.edge.keyspace_reader import documents
from tests.edge.status_ports import StatusPorts, answer, hang, healthz
from tests.factories import NodeFactory, RegionFactory
from tests.servers import eventually, free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ports():
    ports = StatusPorts()
    yield ports
    ports.stop()


@pytest.fixture
def set_config(settings):
    """`set_config(health_rise=1)`: other settings for this test."""

    def set_them(**values):
        settings.CIRRUS = settings.CIRRUS.model_copy(update=values)

    set_them(health_timeout=0.5)
    return set_them


@pytest.fixture
def edge(ports, keyspace, set_config):
    """`edge("edge-1")`: a node with an edge whose health the test sets (`well[name]`)."""
    well = {}

    def make(name: str, *, ok: bool = True, **more) -> Node:
        well[name] = ok

        async def behave(reader, writer):
            good = answer(healthz(name))
            bad = answer(healthz(name, status="failing", problems=["no disk"]), status=503)
            await (good if well[name] else bad)(reader, writer)

        return NodeFactory(name=name, status_port=ports.open(behave), **more)

    make.well = well
    return make


def rounds(number: int, vantage: str = "local") -> None:
    for _ in range(number):
        assert vantage_probe(vantage=vantage)


def state(node: Node) -> str:
    return Node.objects.get(pk=node.pk).state


def alarms() -> dict[tuple[str, str], str]:
    return {(alarm.kind, alarm.subject): alarm.sentence for alarm in Alarm.objects.open()}


def damped(*, ok: bool, at: float, trial: int = 0) -> Report:
    return Report(at=at, ok=ok, damping=Damping(Verdict.UP if ok else Verdict.DOWN), trial=trial)


# -- states ----------------------------------------------------------------------------------------


def test_a_node_comes_up_after_three_rounds_and_goes_down_after_three_failures(edge, keyspace):
    node = edge("edge-1", state=Node.State.PENDING)
    rounds(2)
    assert state(node) == "pending"
    rounds(1)
    assert state(node) == "up"
    assert documents(keyspace, "node")["edge-1"]["state"] == "up"

    edge.well["edge-1"] = False
    rounds(2)
    assert state(node) == "up"
    rounds(1)
    assert state(node) == "down"
    assert documents(keyspace, "node")["edge-1"]["state"] == "down"
    assert [(e.old, e.new, e.by, e.reason) for e in node.events.all()] == [
        ("up", "down", "probes", "its probes find it down: it says: no disk"),
        ("pending", "up", "probes", "its probes find it up"),
    ]


def test_a_round_tells_how_many_were_probed_and_none_that_is_in_maintenance(edge):
    edge("edge-1"), edge("edge-2", ok=False), edge("edge-3", state=Node.State.MAINTENANCE)
    done = vantage_probe(vantage="local")

    assert (done.vantage, done.probed, done.ok) == ("local", 2, 1)
    assert read_known(["edge-3"]).of("edge-3") == {}


def test_a_draining_node_is_probed_and_its_state_is_left_alone(edge):
    node = edge("edge-1", ok=False, state=Node.State.DRAINING)
    rounds(4)

    assert state(node) == "draining"
    assert read_known(["edge-1"]).of("edge-1")["local"].damping.verdict is Verdict.DOWN


def test_a_flapping_node_goes_down_and_stays_down_until_it_is_really_well(edge):
    node = edge("edge-1")
    for ok in (False, True, False, True, False):
        edge.well["edge-1"] = ok
        rounds(1)
    assert state(node) == "down"
    for ok in (True, True, False, True, True):
        edge.well["edge-1"] = ok
        rounds(1)
    assert state(node) == "down"
    rounds(1)
    assert state(node) == "up"


def test_who_is_put_up_by_hand_starts_as_if_proven_and_falls_after_three_failures_again(edge):
    node = edge("edge-1", ok=False)
    rounds(3)
    assert state(node) == "down"
    node.refresh_from_db()
    node_take_into_service(node=node, by="alice")
    health_decide()
    rounds(2)
    assert state(node) == "up"
    rounds(1)
    assert state(node) == "down"


def test_an_emptied_redis_changes_no_state(edge, keyspace):
    up, down = edge("edge-1"), edge("edge-2", ok=False)
    rounds(3)
    keyspace.client.flushall()
    edge.well["edge-2"] = True
    rounds(2)

    assert (state(up), state(down)) == ("up", "down")
    rounds(1)
    assert state(down) == "up"


def test_with_redis_down_a_round_changes_nothing(edge, keyspace):
    node = edge("edge-1", ok=False)
    keyspace.stop()
    with pytest.raises(RedisUnreachable):
        vantage_probe(vantage="local")
    with pytest.raises(RedisUnreachable):
        health_decide()
    assert state(node) == "up"


def test_many_changes_are_published_with_a_few_statements_each(edge, django_assert_max_num_queries, keyspace):
    for n in range(30):
        edge(f"edge-{n}", ok=False)
    rounds(2)
    with django_assert_max_num_queries(30 * 7 + 60):
        rounds(1)
    assert set(Node.objects.values_list("state", flat=True)) == {"down"}
    assert {document["state"] for document in documents(keyspace, "node").values()} == {"down"}


# -- one round at a time ---------------------------------------------------------------------------


def test_a_round_does_not_begin_while_another_of_the_same_vantage_point_is_under_way(
    ports, keyspace, set_config
):
    set_config(health_timeout=2.0, vantage_points=["local", "far"])
    NodeFactory(name="edge-1", status_port=ports.open(hang))
    results = {}

    def first():
        results["first"] = vantage_probe(vantage="local")
        connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    eventually(lambda: ports.connections)
    assert vantage_probe(vantage="local") is None
    assert ports.connections == 1
    thread.join()
    assert results["first"].probed == 1
    assert not keyspace.client.exists(names.probe_lock("local"), names.HEALTH_LOCK)


# -- vantage points --------------------------------------------------------------------------------


def test_the_majority_of_the_vantage_points_decides(edge, set_config, keyspace):
    set_config(vantage_points=["a", "b", "c"])
    node, other = edge("edge-1"), edge("edge-2")
    for vantage in "abc":
        rounds(1, vantage)
    now = read_known([]).now
    for vantage, ok in (("a", False), ("b", True), ("c", True)):
        write_reports(
            vantage,
            {
                "edge-1": damped(ok=ok, at=now, trial=node.trial),
                "edge-2": damped(ok=True, at=now, trial=other.trial),
            },
        )
    health_decide()
    assert state(node) == "up"
    write_reports("b", {"edge-1": damped(ok=False, at=now, trial=node.trial)})
    health_decide()
    assert state(node) == "down"
    assert "2 of 3 vantage points find it down" in node.events.get().reason


def test_a_vantage_point_that_is_cut_off_takes_nothing_down_and_is_told(edge, set_config, ports):
    set_config(vantage_points=["near", "cut-off"])
    nodes = [edge("edge-1"), edge("edge-2")]
    rounds(1, "near")
    ports_of = {node.pk: node.status_port for node in nodes}
    for _ in range(4):
        Node.objects.update(status_port=free_port())  # what is seen by one that is cut off
        rounds(1, "cut-off")
        for pk, port in ports_of.items():
            Node.objects.filter(pk=pk).update(status_port=port)
        rounds(1, "near")

    assert [state(node) for node in nodes] == ["up", "up"]
    [(kind, subject)] = alarms()
    assert (kind, subject) == ("vantage_point", "cut-off")
    assert "it is cut off itself" in alarms()[(kind, subject)]
    rounds(1, "cut-off")
    assert alarms() == {}


def test_a_vantage_point_that_never_reports_is_told_after_three_intervals(edge, set_config, keyspace):
    set_config(vantage_points=["local", "far"])
    edge("edge-1")
    assert vantages_ask() == ["local", "far"]
    rounds(1)
    assert alarms() == {}
    keyspace.client.hset(names.HEALTH_ASKED, "far", f"{read_known([]).now - 16}")
    rounds(1)

    assert "a worker running for the queue probe-far" in alarms()[("vantage_point", "far")]
    rounds(1, "far")
    assert alarms() == {}


def test_where_nobody_reports_the_asking_itself_raises_the_alarm(edge, keyspace):
    node = edge("edge-1", ok=False)
    vantages_ask()
    assert alarms() == {}
    keyspace.client.hset(names.HEALTH_ASKED, "local", f"{read_known([]).now - 16}")
    vantages_ask()

    assert set(alarms()) == {("vantage_point", "local"), ("health_blind", "nodes")}
    assert state(node) == "up"
    rounds(1)
    assert alarms() == {}


# -- the share of a region -------------------------------------------------------------------------


def test_a_region_of_which_too_little_is_left_raises_an_alarm_until_it_is_well_again(edge):
    west, east = RegionFactory(name="west"), RegionFactory(name="east")
    for number in range(3):
        edge(f"edge-{number}", region=west)
    edge("edge-9", region=east)
    edge.well["edge-0"] = False
    rounds(3)
    assert alarms() == {}
    edge.well["edge-1"] = False
    rounds(3)
    assert set(alarms()) == {("region_share", "west")}
    assert "Only 1 of 3 nodes of the region west are up" in alarms()[("region_share", "west")]
    edge.well["edge-2"] = False
    rounds(3)
    assert "No node of the region west is up (3 down)" in alarms()[("region_share", "west")]
    edge.well |= {"edge-0": True, "edge-1": True}
    rounds(3)
    assert alarms() == {}


def test_people_may_take_out_more_than_the_probes(edge):
    for name in ("edge-1", "edge-2", "edge-3"):
        node = edge(name)
        if name != "edge-3":
            node_drain(node=node, by="alice")
            node_maintain(node=node, by="alice", force=True)
    rounds(1)

    assert alarms() == {}


def test_a_report_of_a_node_that_was_added_again_with_the_same_name_does_not_count(edge, keyspace):
    node = edge("edge-1")
    now = read_known([]).now
    keyspace.client.hset(
        names.health_key("edge-1"), "local", encode(damped(ok=False, at=now, trial=node.trial + 1))
    )
    health_decide()

    assert state(node) == "up"


def test_a_node_that_was_set_up_by_the_probes_is_still_of_its_trial(edge):
    node = edge("edge-1", state=Node.State.DOWN)
    rounds(3)
    assert state(node) == "up"
    assert Node.objects.get().trial == node.trial
    node.refresh_from_db()
    assert not node_set_state(node=node, state=Node.State.UP, reason="", by="alice")
