"""Many names that leave at once, and nodes that come back as a last resort."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dnszones.leaving import leaving_settle
from dnszones.models import ZoneVersion
from edge.models import Publication
from nodes.models import Node
from nodes.services import node_drain, safe_to_stop
from tests.factories import DomainFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_more_names_that_leave_take_no_more_queries(world, django_assert_max_num_queries):
    domains = [DomainFactory() for _ in range(10)]
    world.settle()
    world.settle()
    for domain in domains:
        domain.enabled = False
        domain.save()
    world.edges_catch_up()
    world.build()
    assert Publication.objects.exclude(held_since=None).count() == 10
    with django_assert_max_num_queries(12):
        leaving_settle()


def test_a_node_that_answers_again_is_not_safe_to_stop_any_more(world):
    DomainFactory()
    world.settle()
    world.settle()
    node = Node.objects.get(name="edge-1")
    node_drain(node=node, by="test")
    world.settle()
    leaving_settle()
    node.refresh_from_db()
    assert node.safe_to_stop_at
    for other in Node.objects.exclude(name="edge-1"):
        other.state = Node.State.DOWN
        other.save()
    world.build()
    leaving_settle()
    node.refresh_from_db()
    assert safe_to_stop(node).sentence == "not safe to stop yet: the DNS may still answer with it"


def test_a_node_is_gone_only_with_the_version_that_leaves_it_out(world):
    """Its last version is pending, though one of after its draining is in sync: it answered once more."""
    domain = DomainFactory()
    world.settle()
    world.settle()
    node = Node.objects.get(name="edge-1")
    others = Node.objects.exclude(name="edge-1")
    node_drain(node=node, by="test")
    for other in others:
        other.state = Node.State.DOWN
        other.save()
    world.settle()
    assert "192.0.2.1" in world.addresses(world.access(domain))
    for other in others:
        other.state = Node.State.UP
        other.save()
    world.build()
    assert "192.0.2.1" not in world.addresses(world.access(domain))
    assert [v.insync_at is None for v in ZoneVersion.objects.all()[:2]] == [True, False]
    leaving_settle()
    node.refresh_from_db()
    assert node.withdrawn_at is None
    world.secondary_follows()
    leaving_settle()
    node.refresh_from_db()
    assert timedelta(seconds=55) < node.safe_to_stop_at - timezone.now() <= timedelta(seconds=60)
    assert not safe_to_stop(node).safe
