"""`node_drain`, `node_maintenance` and `node_up`."""

import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from nodes.models import Node
from nodes.services import node_withdrawn
from tests.factories import NodeFactory
from tests.servers import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def node(keyspace):
    return NodeFactory(name="edge-1")


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=out)
    return out.getvalue()


def state() -> str:
    return Node.objects.get(name="edge-1").state


def test_draining_says_when_it_is_safe_to_stop(node):
    assert run("node_drain", "edge-1", "--reason", "new disk") == (
        "edge-1 is draining: not safe to stop yet: the DNS may still answer with it.\n"
    )
    event = node.events.get()
    assert (event.new, event.reason) == ("draining", "new disk")
    assert event.by.endswith(" (command)")
    node_withdrawn(node=Node.objects.get(), ttl=60)
    assert "safe to stop at" in run("node_drain", "edge-1")
    assert node.events.count() == 1


def test_waiting_ends_when_it_is_safe_to_stop(node):
    said = []

    def wait():
        said.append(run("node_drain", "edge-1", "--wait", "30"))
        connection.close()

    thread = threading.Thread(target=wait)
    thread.start()
    eventually(lambda: state() == "draining")
    node_withdrawn(node=Node.objects.get(), ttl=0)
    thread.join(20)
    assert "safe to stop since" in said[0]


def test_waiting_in_vain_is_an_exit_status(node):
    with pytest.raises(SystemExit) as end:
        run("node_drain", "edge-1", "--wait", "0.1")
    assert end.value.code == 1


def test_waiting_ends_where_somebody_takes_it_into_service_meanwhile(node):
    codes = []

    def wait():
        try:
            run("node_drain", "edge-1", "--wait", "30")
        except SystemExit as end:
            codes.append(end.code)
        connection.close()

    thread = threading.Thread(target=wait)
    thread.start()
    eventually(lambda: state() == "draining")
    assert run("node_up", "edge-1") == "edge-1 is now up.\n"
    thread.join(20)
    assert codes == [1]


def test_maintenance_is_refused_with_a_sentence_unless_forced(node):
    with pytest.raises(CommandError, match="edge-1 may still get clients"):
        run("node_maintenance", "edge-1")
    assert state() == "up"
    assert run("node_maintenance", "edge-1", "--force") == "edge-1 is now in maintenance.\n"
    assert run("node_maintenance", "edge-1") == "edge-1 is already in maintenance.\n"
    assert "edge-1 is maintenance: " in run("node_drain", "edge-1")
    assert state() == "maintenance"


def test_a_node_that_is_not_there_is_told_with_those_that_are(node):
    for command in ("node_drain", "node_maintenance", "node_up"):
        with pytest.raises(CommandError, match="There is no node “edge-9”. Nodes: edge-1."):
            run(command, "edge-9")
