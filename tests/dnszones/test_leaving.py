"""What leaves: the DNS first, and the edges when nobody can know it any more."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from dnszones.leaving import leaving_settle
from dnszones.models import Zone
from dnszones.publishing import zones_rebuild
from dnszones.watching import secondaries_watch
from edge.models import Kind, Publication
from edge.services import publication_status
from edge.statuses import clock
from edge.sync import keyspace_compare, keyspace_repair
from nodes.models import Node
from nodes.services import node_drain, safe_to_stop
from tests.dnszones.factories import RecordFactory, ZoneFactory
from tests.edge.keyspace_reader import documents, tombstones
from tests.factories import DomainFactory, HostNameFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def domain(world):
    """A domain that is answered everywhere, with its own name in a zone of ours."""
    ZoneFactory(apex="shop.example")
    domain = DomainFactory(host="www.shop.example")
    HostNameFactory(domain=domain, name="old.shop.example")
    world.settle()
    world.settle()
    return domain


def later(seconds):
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=True)


def on_edges(world):
    return documents(world.redis)


def line(domain_id):
    return publication_status(kind=Kind.DOMAIN, object_id=domain_id)


def gone_for_all(world):
    """The build, the secondary's answer, and the first look at it."""
    world.edges_catch_up()
    world.build()
    world.secondary_follows()
    leaving_settle()


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_a_domain_leaves_the_dns_first_and_the_edges_when_answers_have_expired(world, domain, how):
    pk, access = domain.pk, world.access(domain)
    assert world.addresses(access)
    if how == "deleted":
        domain.delete()
    else:
        domain.enabled = False
        domain.save()
    assert "www.shop.example" in on_edges(world)
    assert line(pk).sentence == f"leaves DNS first, then the edges ({how})"
    assert line(pk).tone == "pending"

    world.build()
    assert world.addresses(access) == world.addresses("www.shop.example", "shop.example") == set()
    leaving_settle()
    assert "www.shop.example" in on_edges(world)

    world.secondary_follows()
    leaving_settle()
    publication = Publication.objects.get(key="www.shop.example")
    at = publication.leave_at
    assert timedelta(seconds=58) < at - timezone.now() <= timedelta(seconds=60)
    when = clock(at)
    assert line(pk).sentence == f"leaves the edges at {when}, when the answers of DNS have expired ({how})"
    with later(50):
        leaving_settle()
    assert "www.shop.example" in on_edges(world)

    with later(61):
        assert leaving_settle() == 1
    assert on_edges(world) == {}
    assert tombstones(world.redis) == {"www.shop.example"}
    assert line(pk).tone in ("off", "pending")
    assert "leaves" not in line(pk).sentence


def test_the_ttl_that_counts_is_the_one_of_the_answers_that_were_given(world, domain):
    site = domain.site
    site.ttl = 600
    site.save()
    world.settle()
    site.ttl = 5
    site.save()
    world.settle()
    domain.delete()
    gone_for_all(world)
    at = Publication.objects.get(key="www.shop.example").leave_at
    assert at - timezone.now() > timedelta(seconds=590)


def test_what_sends_nobody_to_an_edge_keeps_nothing_on_the_edges(world, domain):
    zone = Zone.objects.get(apex="shop.example")
    text = RecordFactory(zone=zone, name="long", type="TXT", value="kept for a day", ttl=86_400)
    host = RecordFactory(zone=zone, name="mail", type="A", value="203.0.113.1", ttl=86_400)
    world.settle()
    text.delete()
    host.delete()
    world.settle()
    domain.delete()
    gone_for_all(world)
    with later(61):
        leaving_settle()
    assert f"domain:{domain.host}" not in on_edges(world)


def test_a_secondary_that_is_behind_keeps_the_domain_on_the_edges(world, domain):
    domain.delete()
    world.build()
    secondaries_watch()
    with later(100_000):
        leaving_settle()
    assert "www.shop.example" in on_edges(world)


def test_a_domain_that_comes_back_in_time_stays_as_if_nothing_had_been(world, domain):
    domain.enabled = False
    domain.save()
    gone_for_all(world)
    domain.enabled = True
    domain.save()
    world.settle()
    with later(1_000):
        leaving_settle()
    assert "www.shop.example" in on_edges(world)
    assert Publication.objects.get(key="www.shop.example").leaving == {}
    assert "on 2 of 2 edges" in line(domain.pk).sentence
    assert world.addresses("www.shop.example", "shop.example")


def test_a_renamed_domain_keeps_its_old_name_as_an_alias_until_nobody_asks_for_it(world, domain):
    domain.host = "new.shop.example"
    domain.save()
    [document] = on_edges(world).values()
    assert document["host"] == "new.shop.example"
    assert document["aliases"] == ["old.shop.example", "www.shop.example"]
    assert tombstones(world.redis) == {"www.shop.example"}
    gone_for_all(world)
    assert world.addresses("www.shop.example", "shop.example") == set()
    assert world.addresses("new.shop.example", "shop.example")
    with later(61):
        assert leaving_settle() == 1
    assert on_edges(world)["new.shop.example"]["aliases"] == ["old.shop.example"]


def test_an_alias_that_is_removed_leaves_the_dns_first(world, domain):
    domain.hostnames.get(name="old.shop.example").delete()
    assert on_edges(world)["www.shop.example"]["aliases"] == ["old.shop.example"]
    gone_for_all(world)
    assert world.addresses("old.shop.example", "shop.example") == set()
    with later(61):
        assert leaving_settle() == 1
    assert on_edges(world)["www.shop.example"]["aliases"] == []


def test_a_held_alias_goes_to_the_domain_that_takes_it(world, domain):
    domain.hostnames.get(name="old.shop.example").delete()
    DomainFactory(host="old.shop.example")
    domain.default_ttl += 1
    domain.save()
    found = on_edges(world)
    assert found["www.shop.example"]["aliases"] == []
    assert found["old.shop.example"]["aliases"] == []


def test_a_held_domain_gives_way_to_one_that_takes_its_name(world, domain):
    domain.delete()
    heir = DomainFactory(host="www.shop.example")
    assert on_edges(world)["www.shop.example"]["id"] == heir.pk
    world.settle()
    with later(1_000):
        leaving_settle()
    assert on_edges(world)["www.shop.example"]["id"] == heir.pk


def test_names_outside_of_our_zones_are_not_held(world):
    domain = DomainFactory(host="www.customer.example")
    HostNameFactory(domain=domain, name="alias.customer.example")
    world.settle()
    world.settle()
    domain.hostnames.get(name="alias.customer.example").delete()
    leaving_settle()
    assert on_edges(world)["www.customer.example"]["aliases"] == []


def test_a_domain_that_was_never_answered_is_withdrawn_at_once(world):
    domain = DomainFactory()
    world.build()
    domain.delete()
    assert on_edges(world) == {}


def test_where_there_are_no_zones_any_more_nothing_is_held(world, domain):
    for zone in Zone.objects.all():
        zone.delete()
    domain.delete()
    world.build()
    leaving_settle()
    assert on_edges(world) == {}


def test_names_that_a_build_keeps_in_the_dns_keep_their_domains_on_the_edges(world):
    domains = [DomainFactory() for _ in range(20)]
    world.settle()
    world.settle()
    for domain in domains:
        domain.delete()
    world.edges_catch_up()
    assert zones_rebuild().outcomes[0].held
    world.secondary_follows()
    with later(100_000):
        leaving_settle()
    assert len(on_edges(world)) == 20


def test_the_comparison_leaves_held_documents_alone(world, domain):
    domain.enabled = False
    domain.save()
    assert keyspace_compare().sound
    keyspace_repair()
    assert "www.shop.example" in on_edges(world)


def test_a_hold_that_no_build_has_seen_is_built_anew(world, domain):
    """The outbox was drained after the build that left the domain out."""
    domain.enabled = False
    domain.save()
    gone_for_all(world)
    later_hold = (timezone.now() + timedelta(seconds=5)).timestamp()
    Publication.objects.filter(key="www.shop.example").update(
        leaving={"www.shop.example": later_hold, "old.shop.example": later_hold}
    )
    leaving_settle()
    assert Publication.objects.get(key="www.shop.example").leave_at is None
    with later(6):
        world.build()
        leaving_settle()
    assert Publication.objects.get(key="www.shop.example").leave_at


def test_a_draining_node_is_safe_to_stop_when_no_client_has_its_address(world, domain):
    node = Node.objects.get(name="edge-1")
    node_drain(node=node, by="test")
    leaving_settle()
    assert not safe_to_stop(node).safe
    world.build()
    assert "192.0.2.1" not in world.addresses(world.access(domain))
    leaving_settle()
    node.refresh_from_db()
    assert node.withdrawn_at is None
    world.secondary_follows()
    leaving_settle()
    node.refresh_from_db()
    assert timedelta(seconds=55) < node.safe_to_stop_at - timezone.now() <= timedelta(seconds=60)
    assert not safe_to_stop(node).safe
    with later(61):
        assert safe_to_stop(node).safe


def test_a_draining_node_that_must_still_answer_is_not_safe_to_stop(world, domain):
    for node in Node.objects.all():
        node_drain(node=node, by="test")
    world.settle()
    leaving_settle()
    assert world.addresses(world.access(domain))
    assert not Node.objects.exclude(withdrawn_at=None).exists()


def test_without_any_zone_a_draining_node_is_safe_to_stop_at_once(world):
    world.zone.delete()
    world.build()
    node = Node.objects.get(name="edge-1")
    node_drain(node=node, by="test")
    leaving_settle()
    node.refresh_from_db()
    assert safe_to_stop(node).safe


def test_other_changes_go_on_while_a_name_is_held(world, domain):
    domain.delete()
    gone_for_all(world)
    RecordFactory(zone=world.zone)
    world.build()
    with later(61):
        assert leaving_settle() == 1
    assert on_edges(world) == {}
