"""`check_nodes`: the table, the exit status, a probe from here."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from edge.health.services import vantage_probe
from nodes.models import Node
from tests.edge.status_ports import StatusPorts, answer, healthz
from tests.factories import NodeFactory
from tests.servers import free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ports():
    ports = StatusPorts()
    yield ports
    ports.stop()


@pytest.fixture
def well(ports, keyspace):
    return NodeFactory(name="edge-1", status_port=ports.open(answer(healthz("edge-1"))))


def run(*words: str) -> tuple[str, int]:
    """What it prints, and its exit status."""
    out = StringIO()
    try:
        call_command("check_nodes", *words, stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code)
    return out.getvalue(), 0


def test_without_nodes_it_says_so(keyspace, db):
    assert run() == ("No nodes yet.\n", 0)


def test_a_healthy_node_is_shown_with_what_each_vantage_point_found(well):
    vantage_probe(vantage="local")
    text, status = run()

    assert status == 0
    assert "edge-1  eu-west  up     up, answers in " in text
    assert "    from local: up: answered in " in text
    assert "(4 successes in a row, 0" in text


def test_an_edge_that_is_down_is_an_exit_status(well):
    NodeFactory(name="edge-2", state=Node.State.DOWN, status_port=free_port())
    vantage_probe(vantage="local")
    text, status = run()

    assert status == 1
    assert "nothing can be connected to" in text


def test_probing_from_here_reports_nothing_and_changes_nothing(well):
    NodeFactory(name="edge-2", status_port=free_port())
    NodeFactory(name="edge-3", state=Node.State.MAINTENANCE)
    text, status = run("--probe")

    assert status == 1
    assert "from here, now: answered in" in text
    assert "from here, now: nothing can be connected to" in text
    assert "edge-3  eu-west  maintenance  " in text
    assert "from local" not in text
    assert "not probed yet" in run()[0]
    assert Node.objects.get(name="edge-2").state == "up"


def test_it_can_be_read_by_programs(well):
    vantage_probe(vantage="local")
    said = json.loads(run("--json")[0])

    assert [(node["node"], node["state"]) for node in said["nodes"]] == [("edge-1", "up")]
    assert said["nodes"][0]["vantage_points"][0]["name"] == "local"


def test_with_redis_down_it_says_that_it_does_not_know_and_can_still_probe(well, keyspace):
    keyspace.stop()
    with pytest.raises(CommandError, match="not known: Redis cannot be reached") as error:
        run()
    assert error.value.returncode == 2
    text, status = run("--probe")
    assert (status, "from here, now: answered in" in text) == (0, True)
