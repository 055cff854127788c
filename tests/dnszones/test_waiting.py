"""Make before break, the first half: who is not answered yet, and how builds wait for edges."""

import json

import pytest

from dnszones.models import Zone
from dnszones.publishing import zones_rebuild
from dnszones.tasks import watch
from dnszones.tending import zones_follow
from dnszones.watching import watch_is_due
from edge import keyspace
from edge.models import Publication
from nodes.models import Node
from tests.dnszones.factories import RecordFactory, ZoneFactory
from tests.edge.keyspace_reader import acknowledge, meta
from tests.factories import DomainFactory, HostNameFactory

pytestmark = pytest.mark.django_db(transaction=True)

BOTH = {"192.0.2.1", "192.0.2.2"}


@pytest.fixture
def domain(world):
    """A domain that is answered everywhere, with its own name in a zone of ours."""
    ZoneFactory(apex="shop.example")
    domain = DomainFactory(host="www.shop.example")
    world.settle()
    world.settle()
    assert world.addresses("www.shop.example", "shop.example") == BOTH
    return domain


def refuse(world, node, key):
    """The edge has handled everything, and refuses this document as it is."""
    publication = Publication.objects.get(kind="domain", key=key)
    said = {f"domain:{key}": {"epoch": publication.epoch, "rev": publication.rev, "why": "too new"}}
    acknowledge(world.redis, node, refusals=json.dumps(said))


def built(zone):
    return Zone.objects.get(pk=zone.pk).built_at


def test_a_new_name_of_a_renamed_domain_is_answered_only_by_edges_that_have_it(world, domain):
    domain.host = "new.shop.example"
    domain.save()
    world.edges_catch_up("edge-1")
    result = zones_rebuild()
    assert world.addresses("new.shop.example", "shop.example") == {"192.0.2.1"}
    assert world.addresses(world.access(domain)) == BOTH  # it has that name since long
    assert set(result.awaited) == {"edge-2"}
    world.edges_catch_up()
    world.build()
    assert world.addresses("new.shop.example", "shop.example") == BOTH


def test_an_alias_is_not_answered_by_an_edge_that_refuses_the_document_with_it(world, domain):
    HostNameFactory(domain=domain, name="new.shop.example")
    world.edges_catch_up()
    refuse(world, "edge-2", "www.shop.example")
    world.build()
    assert world.addresses("new.shop.example", "shop.example") == {"192.0.2.1"}
    assert world.addresses("www.shop.example", "shop.example") == BOTH


def test_an_edge_that_refuses_a_document_is_no_reason_to_build_again_and_again(world):
    DomainFactory(host="www.x.example")
    world.edges_catch_up()
    refuse(world, "edge-2", "www.x.example")
    chain = zones_follow().chain
    before = built(world.zone)
    assert zones_follow(attempt=1, chain=chain).again
    assert built(world.zone) == before
    # It may have changed its mind with whatever it acknowledges next.
    acknowledge(world.redis, "edge-2", rev=int(meta(world.redis)["rev"]) + 1, refusals="{}")
    assert not zones_follow(attempt=2, chain=chain).again
    assert built(world.zone) > before


def test_an_edge_of_an_older_epoch_has_not_caught_up(world):
    DomainFactory()
    world.edges_catch_up("edge-1")
    acknowledge(world.redis, "edge-2", rev=10**6, epoch=0)
    chain = zones_follow().chain
    before = built(world.zone)
    assert zones_follow(attempt=1, chain=chain).again
    assert built(world.zone) == before


def test_of_many_builds_that_wait_for_an_edge_only_the_last_is_followed(world):
    DomainFactory()
    first = zones_follow()
    RecordFactory(zone=world.zone)
    second = zones_follow()
    assert first.again and second.again
    assert not zones_follow(attempt=1, chain=first.chain).again
    assert zones_follow(attempt=1, chain=second.chain).again
    world.edges_catch_up()
    assert zones_follow(attempt=2, chain=second.chain).published


def test_a_node_leaves_the_dns_while_documents_are_being_published(world, domain):
    new = DomainFactory()
    world.edges_catch_up()
    node = Node.objects.get(name="edge-2")
    node.state = Node.State.DOWN
    node.save()
    with world.redis.client.lock(keyspace.PUBLISH_LOCK, timeout=60):
        followed = zones_follow()
    assert world.addresses(world.access(domain)) == {"192.0.2.1"}
    assert world.addresses(world.access(new)) == set()
    assert followed.again
    assert zones_follow(attempt=1, chain=followed.chain).published
    assert world.addresses(world.access(new)) == {"192.0.2.1"}


def test_many_versions_ask_for_one_look_at_the_secondaries(world):
    assert watch_is_due()
    assert not watch_is_due()
    watch()
    assert watch_is_due()
