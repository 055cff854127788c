"""Node health with real edges, and with a real worker at another vantage point."""

import os
import signal
import subprocess
import sys

import pytest
from django.conf import settings as django_settings
from django.db import connection

from alarms.models import Alarm
from cirrus_site.celery import app
from edge.health.reports import read_known
from edge.health.services import vantage_probe
from edge.tasks import probe_nodes
from nodes.models import Node
from tests.factories import DomainFactory, NodeFactory
from tests.servers import ROOT, eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def set_config(settings):
    def set_them(**values):
        settings.CIRRUS = settings.CIRRUS.model_copy(update=values)

    return set_them


def watch(*edges) -> None:
    """Tell the control plane where their status ports are."""
    for edge in edges:
        Node.objects.filter(name=edge.node).update(status_port=edge.status_port)


def rounds(number: int) -> None:
    for _ in range(number):
        assert vantage_probe(vantage="local")


def state(name: str) -> str:
    return Node.objects.get(name=name).state


def test_an_edge_that_is_killed_is_down_after_the_configured_probes_and_returns_when_it_is_back(edges):
    first, second = edges
    watch(first, second)
    rounds(1)
    known = read_known(["edge-1"]).of("edge-1")["local"]
    assert known.ok
    assert {"contact_age", "free_bytes", "origin_errors", "origin_timeouts", "rev"} <= set(known.view)

    first.stop(signal.SIGKILL)
    rounds(django_settings.CIRRUS.health_fall - 1)
    assert (state("edge-1"), state("edge-2")) == ("up", "up")
    rounds(1)
    assert (state("edge-1"), state("edge-2")) == ("down", "up")
    assert not Alarm.objects.open().exists()  # half of them is left

    first.start()
    rounds(django_settings.CIRRUS.health_rise - 1)
    assert state("edge-1") == "down"
    rounds(1)
    assert state("edge-1") == "up"
    assert [event.new for event in Node.objects.get(name="edge-1").events.all()] == ["up", "down"]


def test_with_all_edges_killed_the_alarm_is_on_until_one_is_back(edges):
    watch(*edges)
    for edge in edges:
        edge.stop(signal.SIGKILL)
    rounds(3)
    assert {state("edge-1"), state("edge-2")} == {"down"}
    assert [alarm.kind for alarm in Alarm.objects.open()] == ["region_share"]
    edges[0].start()
    rounds(3)
    assert not Alarm.objects.open().exists()


def test_an_edge_of_another_name_at_the_address_is_not_taken_for_the_node(edge):
    watch(edge)
    NodeFactory(name="edge-2", status_port=edge.status_port, state=Node.State.PENDING)
    rounds(3)

    assert (state("edge-1"), state("edge-2")) == ("up", "pending")
    assert read_known(["edge-2"]).of("edge-2")["local"].why == "another edge answers there: edge-1"


def test_a_new_node_comes_up_by_itself_once_its_edge_has_a_configuration(keyspace, start_edge):
    node = NodeFactory(name="edge-1", state=Node.State.PENDING)
    DomainFactory(host="www.x.example")
    rounds(3)
    assert state("edge-1") == "pending"
    watch(start_edge("edge-1"))
    rounds(3)
    assert state("edge-1") == "up"
    assert node.events.get().by == "probes"


# -- with Celery -----------------------------------------------------------------------------------


def waiting(queue: str) -> int:
    with app.connection_for_read() as broker:
        return int(broker.default_channel.client.llen(queue))  # with our prefix


def test_each_vantage_point_is_asked_in_its_queue_and_nothing_piles_up_where_nobody_works(
    keyspace, set_config
):
    set_config(vantage_points=["local", "far"])
    for _ in range(3):
        probe_nodes()

    assert waiting("celery") == 3  # the worker that runs this very job empties it
    assert waiting("probe-far") == 1


def test_a_worker_at_another_place_is_a_vantage_point(edge, edge_settings, set_config):
    set_config(vantage_points=["far"])
    watch(edge)
    database = connection.settings_dict["NAME"]
    environment = {
        **edge_settings,
        "DATABASE_URL": f"sqlite:///{database}",
        "CIRRUS_ORIGIN_ALLOW": "127.0.0.0/8",
        "CIRRUS_VANTAGE_POINTS": "far",
    }
    words = ["-A", "cirrus_site", "worker", "-Q", "probe-far", "--concurrency=1", "--without-gossip"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:

        def asked() -> bool:
            probe_nodes()
            return "far" in read_known(["edge-1"]).of("edge-1")

        eventually(asked, within=60, every=0.5)
        assert read_known(["edge-1"]).of("edge-1")["far"].ok
    finally:
        os.killpg(worker.pid, signal.SIGTERM)
        worker.wait(timeout=30)
