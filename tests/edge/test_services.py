"""The services against a real Redis and a real database; edges are played by the tests."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from domains.documents import reason_not_served
from domains.models import Domain
from edge import keyspace as names
from edge.models import Keyspace, Kind, Outbox, Publication
from edge.services import (
    change_status,
    edge_states,
    objects_republish,
    outbox_retry,
    publication_status,
    publication_statuses,
    publications_settle,
)
from edge.tasks import drain_outbox, reconcile, settle_publications
from nodes.models import Node
from tests.edge.keyspace_reader import acknowledge, documents, meta
from tests.factories import DomainFactory, NodeFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def edges(keyspace):
    """Two edges that serve, and have said nothing yet."""
    NodeFactory(name="edge-1")
    NodeFactory(name="edge-2")
    return keyspace


def line(domain):
    return publication_status(kind=Kind.DOMAIN, object_id=domain.pk).sentence


def test_a_save_that_both_edges_have_says_so_with_a_time(edges):
    domain = DomainFactory()
    acknowledge(edges, "edge-1")
    assert line(domain) == "on 1 of 2 edges, waiting for edge-2 (never heard of)"
    acknowledge(edges, "edge-2")
    status = publication_status(kind=Kind.DOMAIN, object_id=domain.pk)
    assert status.tone == "ok"
    assert status.sentence.startswith("on 2 of 2 edges, 0.")
    assert status.sentence.endswith(" s after the save")
    assert (status.applied_by, status.serving) == (2, 2)


def test_an_edge_in_maintenance_is_not_waited_for(edges):
    Node.objects.filter(name="edge-2").update(state=Node.State.MAINTENANCE)
    domain = DomainFactory()
    acknowledge(edges, "edge-1")
    assert line(domain).startswith("on 1 of 1 edges")


def test_with_redis_down_a_save_is_pending_since_its_time(edges):
    edges.stop()
    domain = DomainFactory()
    since = Outbox.objects.filter(kind=Kind.DOMAIN, object_id=domain.pk).earliest("staged_at").staged_at
    assert line(domain) == f"pending since {timezone.localtime(since):%H:%M:%S}: Redis cannot be reached"


def test_with_redis_down_no_service_raises(edges):
    domain = DomainFactory()
    edges.stop()
    assert [state.heard for state in edge_states()] == [False, False]
    assert {edge.answer for edge in change_status(rev=1).edges} == {"unknown"}
    assert publications_settle() == 0
    objects_republish(kind=Kind.DOMAIN, object_ids=[domain.pk])
    outbox_retry(ids=Outbox.objects.values_list("pk", flat=True))
    assert line(domain).startswith("pending since")
    for task in (drain_outbox, reconcile, settle_publications):
        task()


def test_a_disabled_and_a_deleted_domain_are_not_on_the_edges(edges):
    domain = DomainFactory()
    domain.enabled = False
    domain.save()
    assert line(domain) == (
        "being withdrawn (disabled): gone from 0 of 2 edges, "
        "waiting for edge-1 (never heard of) and edge-2 (never heard of)"
    )
    acknowledge(edges, "edge-1")
    acknowledge(edges, "edge-2")
    assert line(domain) == "not on the edges: disabled"
    key = domain.pk
    domain.delete()
    status = publication_status(kind=Kind.DOMAIN, object_id=key)
    assert (status.tone, status.sentence) == ("off", "not on the edges: deleted")


def test_a_domain_that_was_never_published_says_why(edges):
    disabled = DomainFactory(enabled=False)
    incomplete = DomainFactory(origin=False)
    assert line(disabled) == "not on the edges: disabled"
    assert line(incomplete) == f"not on the edges: {reason_not_served(incomplete)}"


def test_a_domain_that_no_signal_saw_is_told_so(edges):
    domain = DomainFactory(enabled=False)
    Domain.objects.filter(pk=domain.pk).update(enabled=True)
    assert line(domain) == "not published yet; the next comparison with the edges' keyspace does it"


def test_a_renamed_domain_shows_its_new_document(edges):
    domain = DomainFactory(host="old.example")
    domain.host = "new.example"
    domain.save()
    status = publication_status(kind=Kind.DOMAIN, object_id=domain.pk)
    assert status.rev == documents(edges)["new.example"]["rev"]


def test_a_row_that_failed_shows_its_error(edges):
    domain = DomainFactory()
    Outbox.objects.create(
        kind=Kind.DOMAIN,
        object_id=domain.pk,
        staged_at=timezone.now(),
        error="ValueError: cheese",
        retry_at=timezone.now() + timedelta(hours=1),
    )
    status = publication_status(kind=Kind.DOMAIN, object_id=domain.pk)
    assert (status.tone, status.sentence) == ("refused", "cannot be published: ValueError: cheese")
    outbox_retry(ids=Outbox.objects.values_list("pk", flat=True))
    assert not Outbox.objects.exists()


def test_a_repair_that_was_refused_is_the_reason_that_waiting_changes_give(edges):
    for _ in range(4):
        DomainFactory()
    Domain.objects.update(enabled=False)
    edges.client.flushall()
    domain = DomainFactory()
    drain_outbox()
    assert "This would withdraw 4 of 4 domain documents" in line(domain)


def test_a_refusal_names_the_edge_and_its_reason(edges):
    domain = DomainFactory(host="www.a.example")
    rev, epoch = documents(edges)["www.a.example"]["rev"], meta(edges)["epoch"]
    refusals = f'{{"domain:www.a.example": {{"epoch": {epoch}, "rev": {rev}, "why": "no such scheme"}}}}'
    acknowledge(edges, "edge-1")
    acknowledge(edges, "edge-2", refusals=refusals)
    assert line(domain) == "refused by edge-2: no such scheme"
    answers = {edge.node: (edge.answer, edge.why) for edge in change_status(rev=rev).edges}
    assert answers == {"edge-1": ("applied", ""), "edge-2": ("refused", "no such scheme")}
    publications_settle()
    assert Publication.objects.get(key="www.a.example").applied_at is None


def test_many_lines_cost_no_more_queries_than_one(edges, django_assert_num_queries):
    ids = [DomainFactory().pk for _ in range(20)] + [DomainFactory(enabled=False).pk for _ in range(5)]
    with django_assert_num_queries(7):
        assert len(publication_statuses(kind=Kind.DOMAIN, object_ids=ids)) == 25
    with django_assert_num_queries(7):
        publication_statuses(kind=Kind.DOMAIN, object_ids=ids[-1:])


def test_who_has_applied_a_change_can_be_asked_by_its_number(edges):
    DomainFactory(host="www.a.example")
    rev = documents(edges)["www.a.example"]["rev"]
    acknowledge(edges, "edge-1")
    acknowledge(edges, "edge-2", rev=rev - 1)
    status = change_status(rev=rev)
    assert status.publication.key == "www.a.example"
    assert status.given
    assert {edge.node: edge.answer for edge in status.edges} == {"edge-1": "applied", "edge-2": "pending"}


def test_a_change_that_was_overtaken_counts_as_applied_by_who_went_past_it(edges):
    domain = DomainFactory(host="www.a.example")
    rev = documents(edges)["www.a.example"]["rev"]
    domain.default_ttl += 1
    domain.save()
    acknowledge(edges, "edge-1")
    status = change_status(rev=rev)
    assert status.publication is None
    assert {edge.node: edge.answer for edge in status.edges} == {"edge-1": "applied", "edge-2": "pending"}


def test_a_change_that_was_never_made_is_not_given(edges):
    assert not change_status(rev=10**9).given


def test_publishing_again_gives_a_new_revision(edges):
    domain = DomainFactory(host="www.a.example")
    rev = documents(edges)["www.a.example"]["rev"]
    objects_republish(kind=Kind.DOMAIN, object_ids=[domain.pk])
    assert documents(edges)["www.a.example"]["rev"] > rev


def test_the_time_of_the_last_edge_is_noted_and_outlives_the_acknowledgements(edges):
    domain = DomainFactory(host="www.a.example")
    acknowledge(edges, "edge-1")
    assert publications_settle() == 0  # edge-2 has it not yet
    acknowledge(edges, "edge-2")
    assert publications_settle() == 3
    assert publications_settle() == 0
    settled = Publication.objects.get(key="www.a.example")
    assert settled.applied_by == 2
    assert settled.applied_at >= settled.published_at
    edges.client.delete(names.acks_key("edge-1"), names.acks_key("edge-2"))
    assert line(domain).endswith(" s after the save")


def test_a_publication_whose_acknowledgements_were_trimmed_is_settled_all_the_same(edges):
    DomainFactory(host="www.a.example")
    acknowledge(edges, "edge-1")
    acknowledge(edges, "edge-2")
    edges.client.delete(names.acks_key("edge-1"))
    assert publications_settle() == 3
    assert Publication.objects.get(key="www.a.example").applied_at <= timezone.now()


def test_nothing_is_settled_while_no_edge_serves_or_one_is_in_another_epoch(edges):
    DomainFactory()
    acknowledge(edges, "edge-1")
    acknowledge(edges, "edge-2", epoch=1)
    assert publications_settle() == 0
    Node.objects.update(state=Node.State.DOWN)
    assert publications_settle() == 0


def test_the_state_of_every_edge_is_told(edges):
    Node.objects.filter(name="edge-2").update(state=Node.State.MAINTENANCE)
    NodeFactory(name="shield-1", is_edge=False, is_shield=True)
    DomainFactory()
    acknowledge(edges, "edge-1", rev=1, version="0.1.0", domains=3)
    first, second = edge_states()
    assert (first.node.name, first.serving, first.heard, first.state) == ("edge-1", True, True, "live")
    assert (first.rev, first.version, first.domains) == (1, "0.1.0", 3)
    assert first.behind == Publication.objects.filter(rev__gt=1).count() > 0
    assert abs((timezone.now() - first.heard_at).total_seconds()) < 5
    assert (second.node.name, second.serving, second.heard, second.heard_at) == (
        "edge-2",
        False,
        False,
        None,
    )


def test_an_edge_whose_clock_is_wrong_is_heard_all_the_same(edges):
    acknowledge(edges, "edge-1", at=time.time() - 3600, skew=-3600.0)
    assert edge_states()[0].heard


def test_edge_states_cost_the_same_for_any_number_of_edges(edges, django_assert_num_queries):
    with django_assert_num_queries(3):
        edge_states()
    for n in range(3, 9):
        NodeFactory(name=f"edge-{n}")
    with django_assert_num_queries(3):
        assert len(edge_states()) == 8


def test_the_scheduled_jobs_publish_repair_and_settle(edges):
    domain = DomainFactory(host="www.a.example")
    edges.client.flushall()
    drain_outbox()
    assert "www.a.example" in documents(edges)
    edges.client.delete("cdn:dom:www.a.example")
    reconcile()
    assert "www.a.example" in documents(edges)
    assert Keyspace.objects.get().drift == 1
    acknowledge(edges, "edge-1")
    acknowledge(edges, "edge-2")
    settle_publications()
    assert line(domain).startswith("on 2 of 2 edges")
    assert not Publication.objects.filter(applied_at=None).exists()
