"""A worker is killed in the middle of a deployment; what it has left is brought to its end."""

import pytest
from celery import current_app

from certificates.deployment.tending import deployments_unfinished
from tests.certificates.renewal.test_worker import worker
from tests.servers import eventually

pytestmark = pytest.mark.system


def test_a_worker_that_is_killed_while_an_edge_tries_a_certificate_is_followed(world, monkeypatch):
    monkeypatch.setenv("CIRRUS_HTTPS_PORT", str(world.port))
    edge = world.add_edge("edge-1")
    world.add_edge("edge-2")
    edge.silent = True
    with worker():
        eventually(lambda: current_app.control.ping(timeout=0.5), within=90)
        certificate = world.issue()
        world.start(certificate)
        eventually(lambda: world.now().candidate_node == "edge-1")
    assert (world.now().candidate, world.enrollment.current) == (certificate, None)
    edge.silent = False
    assert deployments_unfinished() == [world.enrollment.pk]
    # It may have been killed while it held the right to publish, which is free again after some seconds.
    eventually(lambda: world.deploy().sentence == "served on 2 of 2", within=30)
    assert world.enrollment.current == certificate
    assert deployments_unfinished() == []
