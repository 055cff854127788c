"""What can be done with a node, by hand and by what the probes have decided."""

from datetime import timedelta

import pytest
from django.utils import timezone

from nodes.errors import NodeStillServes
from nodes.health.decision import Change
from nodes.models import Node, NodeEvent
from nodes.services import (
    KEPT,
    events_expire,
    node_drain,
    node_maintain,
    node_set_state,
    node_take_into_service,
    node_withdrawn,
    nodes_settle,
    safe_to_stop,
)
from tests.factories import NodeFactory

pytestmark = pytest.mark.django_db(transaction=True)

State = Node.State


@pytest.fixture
def node(keyspace):
    return NodeFactory(name="edge-1")


def timeline(node: Node) -> list[tuple[str, str, str, str]]:
    return [(event.old, event.new, event.reason, event.by) for event in node.events.all()]


def test_setting_the_state_it_has_leaves_no_trace(node):
    assert not node_set_state(node=node, state=State.UP, reason="again", by="alice")
    assert timeline(node) == []


def test_a_state_is_set_in_the_caller_s_node_and_in_the_database_and_in_the_timeline(node):
    assert node_drain(node=node, by="alice", reason="new disk")

    assert node.state == Node.objects.get().state == "draining"
    assert timeline(node) == [("up", "draining", "new disk", "alice")]


def test_a_stale_copy_of_a_node_overwrites_nothing_else(node):
    stale = Node.objects.get()
    Node.objects.update(weight=7)
    node_drain(node=stale, by="alice")

    assert Node.objects.get().weight == 7


@pytest.mark.parametrize(("by", "trials"), [("alice", 1), ("probes", 0)])
def test_only_who_puts_it_up_by_hand_begins_a_new_trial(node, by, trials):
    node_set_state(node=node, state=State.DOWN, reason="", by="probes")
    before = node.trial
    node_set_state(node=node, state=State.UP, reason="", by=by)

    assert node.trial - before == trials


def test_what_the_probes_decided_is_carried_out(node):
    change = Change("edge-1", "up", "down", node.trial, "3 failures")

    assert nodes_settle(changes=[change]) == 1
    assert timeline(node) == [("up", "down", "3 failures", "probes")]


@pytest.mark.parametrize("by_hand", [node_drain, lambda **how: node_maintain(**how, force=True)])
def test_what_the_probes_decided_gives_way_to_a_state_that_was_forced_meanwhile(node, by_hand):
    change = Change("edge-1", "up", "down", node.trial, "3 failures")
    by_hand(node=node, by="alice")

    assert nodes_settle(changes=[change]) == 0


def test_what_the_probes_decided_of_an_earlier_trial_is_void(node):
    change = Change("edge-1", "up", "down", node.trial, "3 failures")
    node_drain(node=node, by="alice")
    node_take_into_service(node=node, by="alice")

    assert nodes_settle(changes=[change]) == 0
    node.refresh_from_db()
    assert node.state == "up"


# -- leaving --------------------------------------------------------------------------------------


def test_an_up_node_is_not_safe_to_stop(node):
    assert not safe_to_stop(node).safe
    assert not node_withdrawn(node=node, ttl=0)


def test_a_draining_node_is_safe_to_stop_when_the_ttl_has_passed_since_the_dns_has_lost_it(node):
    node_drain(node=node, by="alice")
    assert "may still answer with it" in safe_to_stop(node).sentence

    assert node_withdrawn(node=node, ttl=60)
    withdrawn = node.withdrawn_at
    assert not node_withdrawn(node=node, ttl=3600)  # told again: the first time counts
    assert node.withdrawn_at == withdrawn
    later = node.withdrawn_at + timedelta(seconds=61)
    assert not safe_to_stop(node).safe
    assert "when the last answers of the DNS have expired" in safe_to_stop(node).sentence
    assert safe_to_stop(node, now=later).safe
    assert safe_to_stop(node, now=later).sentence.startswith("safe to stop since ")


def test_a_node_that_came_back_must_be_withdrawn_anew(node):
    node_drain(node=node, by="alice")
    node_withdrawn(node=node, ttl=0)
    node_take_into_service(node=node, by="alice")
    node_drain(node=node, by="alice")

    assert node.withdrawn_at is node.safe_to_stop_at is None


def test_maintenance_is_refused_while_clients_may_come_unless_it_is_forced(node):
    with pytest.raises(NodeStillServes, match="edge-1 may still get clients"):
        node_maintain(node=node, by="alice")
    node_drain(node=node, by="alice")
    with pytest.raises(NodeStillServes, match="may still answer with it"):
        node_maintain(node=node, by="alice")
    node_withdrawn(node=node, ttl=0)
    assert node_maintain(node=node, by="alice")
    assert safe_to_stop(node).safe

    assert node_maintain(node=NodeFactory(), by="alice", force=True)


@pytest.mark.parametrize("state", [State.PENDING, State.DOWN])
def test_a_node_without_clients_is_put_into_maintenance_at_once(keyspace, state):
    assert node_maintain(node=NodeFactory(state=state), by="alice")


def test_old_lines_of_the_timeline_are_forgotten(node):
    node_drain(node=node, by="alice")
    NodeEvent.objects.update(at=timezone.now() - KEPT - timedelta(hours=1))
    node_take_into_service(node=node, by="alice")

    assert events_expire() == 1
    assert [event.new for event in node.events.all()] == ["up"]
