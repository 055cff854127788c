"""/metrics: for monitoring on allowed networks, and for nobody else."""

import pytest

from tests.edge.keyspace_reader import acknowledge
from tests.factories import DomainFactory, NodeFactory

pytestmark = pytest.mark.django_db(transaction=True)


def samples(client) -> dict[str, float]:
    lines = client.get("/metrics").content.decode().splitlines()
    return {
        line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")
    }


def test_it_tells_how_far_each_edge_is(client, keyspace):
    NodeFactory(name="edge-1")
    acknowledge(keyspace, "edge-1", skew=0.25)
    DomainFactory()
    found = samples(client)

    assert found['cirrus_edge_revision{node="edge-1"}'] == 1
    assert found['cirrus_edge_behind{node="edge-1"}'] == 1
    assert found['cirrus_edge_skew_seconds{node="edge-1"}'] == 0.25
    assert 0 <= found['cirrus_edge_heard_seconds{node="edge-1"}'] < 10
    assert found["cirrus_outbox_rows"] == 0
    assert found["cirrus_keyspace_revision"] >= 2
    assert any(name.startswith("django_http_requests") for name in found)


def test_with_redis_down_it_tells_what_waits(client, keyspace):
    keyspace.stop()
    NodeFactory(name="edge-1")
    found = samples(client)

    assert found["cirrus_outbox_rows"] >= 1
    assert found["cirrus_outbox_oldest_seconds"] >= 0
    assert 'cirrus_edge_revision{node="edge-1"}' not in found


@pytest.mark.parametrize(
    "request_of",
    [
        {"REMOTE_ADDR": "192.0.2.1"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=127.0.0.1"},
    ],
)
def test_it_is_not_there_for_others_nor_through_a_proxy(client, keyspace, request_of):
    assert client.get("/metrics", **request_of).status_code == 404


def test_a_network_can_be_allowed(client, keyspace, settings):
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"metrics_allow": ["192.0.2.0/24"]})

    assert client.get("/metrics", REMOTE_ADDR="192.0.2.1").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 404
