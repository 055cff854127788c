"""Purges that are forgotten, and a database that was restored from a backup."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from edge import keyspace as names
from edge.models import Keyspace, Kind, Publication, Purge, PurgeRecord
from edge.purges.services import (
    MATTERS,
    purges_expire,
    purges_settle,
)
from edge.sync import keyspace_compare, keyspace_repair
from edge.tasks import drain_outbox, expire_purges
from tests.edge.keyspace_reader import acknowledge, meta
from tests.edge.purges.world import ask, purges

pytestmark = pytest.mark.django_db(transaction=True)


def test_old_purges_are_forgotten_and_the_document_is_published_without_them(edges, domain):
    old, new = ask(domain, "/old"), ask(domain, "/new")
    acknowledge(edges, "edge-1")
    acknowledge(edges, "edge-2")
    purges_settle()
    assert purges_expire() == 0
    long_ago = timezone.now() - MATTERS - timedelta(minutes=1)
    PurgeRecord.objects.filter(name="/old").update(purged_at=long_ago)
    Purge.objects.filter(pk=old.pk).update(created_at=long_ago, done_at=long_ago)
    assert purges_expire() == 1
    assert purges(edges)["www.example.com"]["urls"] == [["/new", new.rev, 0]]
    assert list(Purge.objects.all()) == [new]
    PurgeRecord.objects.update(purged_at=long_ago)
    expire_purges()
    assert purges(edges) == {}
    assert keyspace_compare().sound


def test_a_purge_that_some_edge_has_not_applied_is_kept_however_old_it_is(edges, domain):
    purge = ask(domain, "/a")
    long_ago = timezone.now() - 2 * MATTERS
    PurgeRecord.objects.update(purged_at=long_ago)
    Purge.objects.update(created_at=long_ago, published_at=long_ago)
    assert purges_expire() == 0
    acknowledge(edges, "edge-1")
    acknowledge(edges, "edge-2")
    edges.client.delete(names.acks_key("edge-1"), names.acks_key("edge-2"))
    purges_settle()
    assert purges_expire() == 0  # it counts from when the last edge had it
    assert purges(edges)["www.example.com"]["urls"] == [["/a", purge.rev, 0]]
    assert meta(edges)["rev"] >= str(purge.rev)


def forget(purge):
    """What a backup from before this purge does not know."""
    PurgeRecord.objects.filter(hard=purge.rev).delete()
    purge.delete()
    Publication.objects.filter(kind=Kind.PURGE).delete()
    Keyspace.objects.update(revision=1)
    Publication.objects.filter(rev__gt=1).delete()


def test_a_restored_database_takes_over_the_purges_that_redis_still_knows(keyspace, domain):
    purge = ask(domain, "/a")
    rev = purge.rev
    forget(purge)
    drain_outbox()
    assert keyspace_repair().sound
    found = purges(keyspace)["www.example.com"]
    assert found["urls"] == [["/a", rev, 0]]
    assert found["epoch"] > purge.epoch
    assert ask(domain, "/a").rev > rev


def test_what_is_no_purge_document_is_not_taken_over(keyspace, domain):
    purge = ask(domain, "/a")
    nonsense = {"rev": purge.rev, "all": [10**12, 0], "urls": [], "prefixes": [], "tags": []}
    keyspace.client.set("cdn:purge:www.example.com", json.dumps(nonsense))
    keyspace_repair(rebuild=True)
    found = purges(keyspace)["www.example.com"]
    assert (found["all"], found["urls"]) == ([0, 0], [["/a", purge.rev, 0]])
