"""Where a purge is; edges are played by the tests."""

import json

import pytest

from edge.models import Purge
from edge.purges.services import (
    purge_status,
    purge_statuses,
    purges_settle,
)
from edge.sync import keyspace_repair
from edge.tasks import drain_outbox, expire_purges, settle_publications
from nodes.models import Node
from tests.edge.keyspace_reader import acknowledge
from tests.edge.purges.world import ask, purges

pytestmark = pytest.mark.django_db(transaction=True)


def line(purge):
    purge.refresh_from_db()
    return purge_status(purge=purge).sentence


def test_a_purge_is_followed_from_edge_to_edge(edges, domain):
    purge = ask(domain, "/a")
    acknowledge(edges, "edge-1")
    acknowledge(edges, "edge-2", rev=purge.rev - 1)
    assert line(purge) == "applied on 1 of 2 edges, waiting for edge-2"
    assert purges_settle() == 0
    acknowledge(edges, "edge-2")
    assert line(purge).startswith("done: on 2 of 2 edges, 0.")
    assert purges_settle() == 1
    purge.refresh_from_db()
    assert (purge.state, purge.done_by) == (Purge.State.DONE, 2)
    assert purge.done_at >= purge.published_at
    edges.stop()
    assert line(purge).startswith("done: on 2 of 2 edges, 0.")


def test_a_purge_is_done_though_newer_ones_have_followed(edges, domain):
    first = ask(domain, "/a")
    second = ask(domain, "/b")
    acknowledge(edges, "edge-1", rev=first.rev)
    acknowledge(edges, "edge-2", rev=first.rev)
    assert purges_settle() == 1
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (Purge.State.DONE, Purge.State.SENT)


def test_an_edge_that_refuses_the_document_or_is_silent_does_not_count(edges, domain):
    purge = ask(domain, "/a")
    refusal = {"purge:www.example.com": {"epoch": purge.epoch, "rev": purge.rev, "why": "no room"}}
    acknowledge(edges, "edge-1", refusals=json.dumps(refusal))
    status = purge_status(purge=purge)
    assert status.sentence == "applied on 0 of 2 edges, refused by edge-1: no room"
    assert [(edge.node, edge.answer, edge.why) for edge in status.edges] == [
        ("edge-1", "refused", "no room"),
        ("edge-2", "pending", "never heard of"),
    ]
    acknowledge(edges, "edge-2")
    assert purges_settle() == 0


def test_a_refusal_of_a_later_document_is_no_proof_of_the_earlier_one(edges, domain):
    purge = ask(domain, "/a")
    later = ask(domain, "/b")
    refusal = {"purge:www.example.com": {"epoch": later.epoch, "rev": later.rev, "why": "no room"}}
    acknowledge(edges, "edge-1", refusals=json.dumps(refusal))
    assert "refused by edge-1: no room" in line(purge)


def test_an_edge_that_refuses_more_than_it_can_list_does_not_count(edges, domain):
    purge = ask(domain, "/a")
    acknowledge(edges, "edge-1", refusals_cut="1")
    acknowledge(edges, "edge-2")
    assert "refused by edge-1: it refuses more documents than it can list" in line(purge)
    assert purges_settle() == 0


def test_in_a_new_epoch_a_purge_is_applied_with_the_document_that_carries_it_now(edges, domain):
    purge = ask(domain, "/a")
    keyspace_repair(rebuild=True)
    assert line(purge).startswith("applied on 0 of 2 edges")
    acknowledge(edges, "edge-1", rev=purges(edges)["www.example.com"]["rev"] - 1)
    assert line(purge).startswith("applied on 0 of 2 edges")
    acknowledge(edges, "edge-1")
    acknowledge(edges, "edge-2")
    settle_publications()
    purge.refresh_from_db()
    assert purge.state == Purge.State.DONE


def test_a_purge_whose_domain_is_deleted_before_it_is_published_is_void(edges, domain):
    edges.stop()
    purge = ask(domain, "/a")
    domain.delete()
    edges.start()
    drain_outbox()
    purges_settle()
    assert line(purge) == "nothing to purge: the domain was deleted before"


def test_with_redis_down_no_line_raises(edges, domain):
    purge = ask(domain, "/a")
    edges.stop()
    assert line(purge).endswith("on which edges is not known: Redis cannot be reached")
    assert purges_settle() == 0
    for task in (settle_publications, expire_purges):
        task()


def test_a_purge_while_no_edge_serves_says_so(edges, domain):
    Node.objects.update(state=Node.State.DOWN)
    assert line(ask(domain, "/a")) == "published; no edge is up to apply it"


def test_many_lines_cost_no_more_queries_than_one(edges, domain, django_assert_num_queries):
    asked = [ask(domain, f"/{n}") for n in range(10)]
    with django_assert_num_queries(2):
        purge_statuses(purges=asked[:1])
    with django_assert_num_queries(2):
        assert len(purge_statuses(purges=asked)) == 10
