"""From a save to Redis: what is staged, what is published, in which order, and what survives."""

import os
import signal
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.signals import post_save
from django.utils import timezone

from cirrus_site.effects import EFFECTS
from domains.models import Domain
from edge import keyspace as names
from edge import outbox, projection, rendering
from edge.errors import PublishingBusy, RedisForgot, RedisIsAhead
from edge.models import Keyspace, Kind, Outbox, Publication
from edge.outbox import flush, stage
from edge.projection import Write, publishing, write
from edge.revisions import take_revisions
from nodes.models import RegionBackup
from tests.edge.keyspace_reader import changes, documents, meta, tombstones
from tests.factories import (
    CacheConditionFactory,
    CacheRuleFactory,
    DomainFactory,
    HostNameFactory,
    NodeFactory,
    OriginFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)

#: The models that edges see something of.
PROJECTED = {model for model in EFFECTS if model._meta.app_label in ("domains", "nodes")} - {RegionBackup}


class Undone(Exception):
    """Rolls back, and is expected."""


@pytest.fixture
def redis_down(keyspace):
    keyspace.stop()
    yield keyspace
    if keyspace.process is None:
        keyspace.start()


def test_a_save_puts_the_document_the_index_and_the_stream_entry_into_redis(keyspace):
    domain = DomainFactory(host="www.a.example", origin__host="origin.a.example")
    [(key, document)] = documents(keyspace).items()
    assert key == "www.a.example"
    assert document["schema"] == names.SCHEMA
    assert [origin["host"] for origin in document["origins"]] == ["origin.a.example"]
    assert ("put", "www.a.example") in changes(keyspace)
    publication = Publication.objects.get(key="www.a.example")
    assert publication.object_id == domain.pk
    assert (publication.epoch, publication.rev) == (document["epoch"], document["rev"])
    assert publication.saved_at <= publication.published_at
    assert not Outbox.objects.exists()


def test_a_whole_transaction_is_one_publication_per_object(keyspace):
    with transaction.atomic():
        domain = DomainFactory(host="www.a.example")
        OriginFactory(domain=domain, host="second.example")
        HostNameFactory(domain=domain, name="a.example")
    assert changes(keyspace) == [("put", "www.a.example")]
    assert documents(keyspace)["www.a.example"]["aliases"] == ["a.example"]


def test_every_projected_model_stages_inside_the_transaction_of_its_own_save(keyspace):
    seen = {}

    def look(sender, **_):
        seen[sender] = connection.in_atomic_block

    for model in PROJECTED:
        post_save.connect(look, sender=model)
    try:
        domain = DomainFactory()
        HostNameFactory(domain=domain)
        CacheConditionFactory(rule=CacheRuleFactory(domain=domain))
        NodeFactory()
    finally:
        for model in PROJECTED:
            post_save.disconnect(look, sender=model)
    assert seen == dict.fromkeys(PROJECTED, True)


def test_a_rolled_back_save_stages_and_publishes_nothing(keyspace):
    with pytest.raises(Undone), transaction.atomic():
        DomainFactory()
        raise Undone
    assert not Outbox.objects.exists()
    assert changes(keyspace) == []


def test_a_save_after_a_rolled_back_one_is_published(keyspace):
    with pytest.raises(Undone), transaction.atomic():
        DomainFactory(host="lost.example")
        raise Undone
    DomainFactory(host="kept.example")
    assert set(documents(keyspace)) == {"kept.example"}


def test_a_savepoint_that_is_rolled_back_takes_only_its_own_saves_with_it(keyspace):
    with transaction.atomic():
        with pytest.raises(Undone), transaction.atomic():
            DomainFactory(host="lost.example")
            raise Undone
        with transaction.atomic():
            DomainFactory(host="inner.example")
        with pytest.raises(Undone), transaction.atomic():
            DomainFactory(host="lost-too.example")
            raise Undone
    assert set(documents(keyspace)) == {"inner.example"}


def test_a_save_that_changes_nothing_publishes_nothing(keyspace):
    domain = DomainFactory()
    before = changes(keyspace)
    domain.notes = "the edges never see this"
    domain.save()
    assert changes(keyspace) == before
    assert not Outbox.objects.exists()


def test_a_forced_publication_gets_a_new_revision_though_nothing_changed(keyspace):
    domain = DomainFactory(host="www.a.example")
    first = documents(keyspace)["www.a.example"]["rev"]
    stage(Kind.DOMAIN, [domain.pk], force=True)
    assert documents(keyspace)["www.a.example"]["rev"] > first


def test_a_new_publication_has_been_applied_by_nobody(keyspace):
    domain = DomainFactory(host="www.a.example")
    Publication.objects.filter(key="www.a.example").update(applied_at=timezone.now(), applied_by=2)
    domain.default_ttl += 1
    domain.save()
    publication = Publication.objects.get(key="www.a.example")
    assert (publication.applied_at, publication.applied_by) == (None, 0)


def test_renaming_a_host_withdraws_its_old_key(keyspace):
    domain = DomainFactory(host="old.example")
    domain.host = "new.example"
    domain.save()
    assert set(documents(keyspace)) == {"new.example"}
    assert tombstones(keyspace) == {"old.example"}
    assert changes(keyspace)[-2:] == [("put", "new.example"), ("gone", "old.example")]


def test_a_host_that_moves_to_another_domain_is_never_withdrawn(keyspace):
    first = DomainFactory(host="moving.example")
    second = DomainFactory(host="second.example")
    with transaction.atomic():
        first.host = "first.example"
        first.save()
        second.host = "moving.example"
        second.save()
    assert ("gone", "moving.example") not in changes(keyspace)
    assert set(documents(keyspace)) == {"moving.example", "first.example"}
    assert Publication.objects.get(key="moving.example").object_id == second.pk


def test_a_host_is_not_withdrawn_when_only_the_domain_that_left_it_is_in_the_batch(keyspace):
    first = DomainFactory(host="moving.example")
    second = DomainFactory(host="second.example")
    Domain.objects.filter(pk=first.pk).update(host="first.example")
    Domain.objects.filter(pk=second.pk).update(host="moving.example")
    stage(Kind.DOMAIN, [first.pk])
    assert ("gone", "moving.example") not in changes(keyspace)
    assert Publication.objects.get(key="moving.example").object_id == second.pk


def test_a_part_that_moves_publishes_the_domain_it_leaves_as_well(keyspace):
    first, second = DomainFactory(host="first.example"), DomainFactory(host="second.example")
    alias = HostNameFactory(domain=first, name="alias.example")
    alias.domain = second
    alias.save()
    found = documents(keyspace)
    assert found["first.example"]["aliases"] == []
    assert found["second.example"]["aliases"] == ["alias.example"]


def test_deleting_a_domain_withdraws_it(keyspace):
    domain = DomainFactory(host="www.a.example")
    domain.delete()
    assert documents(keyspace) == {}
    assert tombstones(keyspace) == {"www.a.example"}
    assert not Publication.objects.get(key="www.a.example").live


def test_disabling_a_domain_withdraws_it_and_enabling_brings_it_back(keyspace):
    domain = DomainFactory(host="www.a.example")
    domain.enabled = False
    domain.save()
    assert tombstones(keyspace) == {"www.a.example"}
    domain.enabled = True
    domain.save()
    assert set(documents(keyspace)) == {"www.a.example"}
    assert tombstones(keyspace) == set()


def test_a_domain_that_is_made_again_belongs_to_the_new_object(keyspace):
    with transaction.atomic():
        first = DomainFactory(host="www.a.example")
    with transaction.atomic():
        first.delete()
        second = DomainFactory(host="www.a.example")
    assert set(documents(keyspace)) == {"www.a.example"}
    assert Publication.objects.get(key="www.a.example").object_id == second.pk


def test_renaming_a_region_publishes_its_nodes(keyspace):
    node = NodeFactory(name="edge-1")
    node.region.name = "moon"
    node.region.save()
    assert documents(keyspace, "node")["edge-1"]["region"] == "moon"


def test_deleting_a_node_and_its_region_withdraws_the_node(keyspace):
    node = NodeFactory(name="edge-1")
    region = node.region
    node.delete()
    region.delete()
    assert tombstones(keyspace, "node") == {"edge-1"}


def test_a_save_with_redis_down_succeeds_at_once_and_is_published_later(redis_down):
    started = time.monotonic()
    with transaction.atomic():
        domain = DomainFactory(host="www.a.example")
        for n in range(20):
            HostNameFactory(domain=domain, name=f"alias-{n}.example")
    assert time.monotonic() - started < 1
    assert Outbox.objects.filter(object_id=domain.pk).exists()
    redis_down.start()
    redis_down.client.flushall()
    assert flush().written == 1
    assert set(documents(redis_down)) == {"www.a.example"}


def test_the_first_save_after_a_restart_of_redis_is_published_at_once(keyspace):
    DomainFactory(host="before.example")
    keyspace.stop()
    keyspace.start()
    DomainFactory(host="after.example")
    assert set(documents(keyspace)) == {"before.example", "after.example"}


def test_a_save_with_a_hanging_redis_takes_little_more_than_a_second(keyspace):
    os.kill(keyspace.process.pid, signal.SIGSTOP)
    started = time.monotonic()
    try:
        with transaction.atomic():
            domain = DomainFactory(host="www.a.example")
            HostNameFactory(domain=domain, name="alias.example")
    finally:
        took = time.monotonic() - started
        os.kill(keyspace.process.pid, signal.SIGCONT)
    assert took < 1.5
    assert Outbox.objects.filter(object_id=domain.pk).exists()


def killed(work):
    """Do `work` in a process of its own, which kills itself (SIGKILL) at the end at the latest."""
    connection.close()  # the child opens its own
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_a_worker_that_is_killed_between_commit_and_flush_loses_nothing(keyspace):
    def save_and_die():
        with transaction.atomic():
            transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
            DomainFactory(host="www.a.example")

    killed(save_and_die)
    assert Domain.objects.filter(host="www.a.example").exists()
    assert documents(keyspace) == {}
    flush()
    assert set(documents(keyspace)) == {"www.a.example"}


def test_the_lock_of_a_worker_that_was_killed_is_free_again_after_its_time(keyspace, monkeypatch):
    monkeypatch.setattr(projection, "LOCK_TIME", 1)

    def lock_and_die():
        with publishing():
            os.kill(os.getpid(), signal.SIGKILL)

    killed(lock_and_die)
    with pytest.raises(PublishingBusy):
        flush(patience=0.05)
    flush(patience=10)
    DomainFactory(host="www.a.example")
    assert set(documents(keyspace)) == {"www.a.example"}


def test_a_worker_that_is_killed_after_the_write_only_repeats_itself(keyspace):
    domain = DomainFactory(host="www.a.example")
    # As if it had died before it could delete the row…
    Outbox.objects.create(kind=Kind.DOMAIN, object_id=domain.pk, staged_at=timezone.now())
    assert flush().unchanged == 1
    # … and as if it had died before it could even record what it had written.
    Publication.objects.update(digest="", rev=1)
    Outbox.objects.create(kind=Kind.DOMAIN, object_id=domain.pk, staged_at=timezone.now())
    assert flush().written == 1
    document = documents(keyspace)["www.a.example"]
    assert document["rev"] == Publication.objects.get(key="www.a.example").rev
    assert not Outbox.objects.exists()


def test_a_bad_object_does_not_hold_up_the_others_and_is_tried_again(keyspace, monkeypatch):
    source = rendering.SOURCES[Kind.DOMAIN]

    def body(domain):
        if domain.host == "bad.example":
            raise ValueError("its origin is made of cheese")
        return source.body(domain)

    broken = rendering.Source(source.objects, source.key_field, body, source.withheld)
    bad = DomainFactory(host="bad.example")
    published = documents(keyspace)["bad.example"]
    monkeypatch.setitem(rendering.SOURCES, Kind.DOMAIN, broken)
    with transaction.atomic():
        bad.default_ttl += 1
        bad.save()
        DomainFactory(host="good.example")
    assert documents(keyspace)["bad.example"] == published
    assert "good.example" in documents(keyspace)
    rows = list(Outbox.objects.all())
    assert {row.object_id for row in rows} == {bad.pk}
    assert all("made of cheese" in row.error and row.retry_at > timezone.now() for row in rows)

    assert flush().failed == []  # not before its time
    Outbox.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    assert len(flush().failed) == 1
    assert {row.attempts for row in Outbox.objects.all()} == {2}

    monkeypatch.setitem(rendering.SOURCES, Kind.DOMAIN, source)
    bad.save()  # settles the rows that failed as well
    assert documents(keyspace)["bad.example"]["cache"]["default_ttl"] == bad.default_ttl
    assert not Outbox.objects.exists()


def test_the_newest_state_wins_under_two_concurrent_flushes(keyspace):
    domain = DomainFactory(host="www.a.example")
    ttls = range(1_000, 1_020)

    def save(values):
        try:
            for ttl in values:
                with transaction.atomic():
                    fresh = Domain.objects.select_for_update().get(pk=domain.pk)
                    fresh.default_ttl = ttl
                    fresh.save()
        finally:
            connection.close()

    threads = [threading.Thread(target=save, args=(ttls[half::2],)) for half in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    flush()
    domain.refresh_from_db()
    assert documents(keyspace)["www.a.example"]["cache"]["default_ttl"] == domain.default_ttl
    assert changes(keyspace)
    assert not Outbox.objects.exists()


def test_whoever_waits_too_long_for_the_lock_leaves_its_rows_in_the_outbox(keyspace):
    with publishing():
        DomainFactory(host="www.a.example")
        with pytest.raises(PublishingBusy):
            flush(patience=0.05)
    assert flush().written == 1
    assert set(documents(keyspace)) == {"www.a.example"}


def test_a_process_that_lost_its_lock_writes_nothing(keyspace):
    DomainFactory(host="www.a.example")
    with publishing() as turn:
        epoch, rev = take_revisions(1)
        keyspace.client.set(names.PUBLISH_LOCK, "somebody else")
        with pytest.raises(PublishingBusy):
            write(turn, Kind.DOMAIN, epoch, [Write("www.a.example", 1, rev, timezone.now())])
    keyspace.client.delete(names.PUBLISH_LOCK)
    assert set(documents(keyspace)) == {"www.a.example"}


def test_redis_refuses_an_older_revision_and_an_older_epoch(keyspace):
    DomainFactory(host="www.a.example")
    known = documents(keyspace)["www.a.example"]
    with publishing() as turn:
        for epoch, rev in ((known["epoch"], known["rev"]), (known["epoch"] - 1, known["rev"] + 1)):
            with pytest.raises(RedisIsAhead):
                write(turn, Kind.DOMAIN, epoch, [Write("www.a.example", 1, rev, timezone.now())])
    assert documents(keyspace)["www.a.example"] == known


def test_a_withdrawal_is_newer_than_what_it_withdrew(keyspace):
    domain = DomainFactory(host="www.a.example")
    rev = documents(keyspace)["www.a.example"]["rev"]
    epoch = Keyspace.objects.get().epoch
    domain.delete()
    with publishing() as turn, pytest.raises(RedisIsAhead):
        write(turn, Kind.DOMAIN, epoch, [Write("www.a.example", domain.pk or 1, rev, timezone.now(), "{}")])
    assert tombstones(keyspace) == {"www.a.example"}


def test_a_newer_epoch_is_written_over_everything_older(keyspace):
    DomainFactory(host="www.a.example")
    Keyspace.objects.update(epoch=Keyspace.objects.get().epoch + 10)
    Domain.objects.get().save()
    epoch = Keyspace.objects.get().epoch
    assert documents(keyspace)["www.a.example"]["epoch"] == epoch
    assert meta(keyspace)["epoch"] == str(epoch)


def test_nothing_is_written_to_a_redis_that_forgot_what_it_had(keyspace):
    DomainFactory(host="first.example")
    keyspace.client.flushall()
    DomainFactory(host="second.example")
    assert changes(keyspace) == []
    assert Outbox.objects.exists()
    with pytest.raises(RedisForgot):
        flush()


def test_nothing_is_written_to_a_redis_that_is_ahead_of_a_restored_database(keyspace):
    domain = DomainFactory(host="first.example")
    before = documents(keyspace)
    Keyspace.objects.update(revision=1)
    domain.default_ttl += 1
    domain.save()
    assert documents(keyspace) == before
    assert Outbox.objects.filter(object_id=domain.pk).exists()
    with pytest.raises(RedisIsAhead):
        flush()


def test_a_revision_that_was_given_out_cannot_be_rolled_back():
    with transaction.atomic(), pytest.raises(RuntimeError):
        take_revisions(1)


def test_more_objects_than_one_turn_takes_are_all_published(keyspace, monkeypatch):
    monkeypatch.setattr("edge.outbox.BATCH", 3)
    monkeypatch.setattr(projection, "WRITE", 2)
    with transaction.atomic():
        hosts = {DomainFactory().host for _ in range(8)}
    assert set(documents(keyspace)) == hosts
    assert len(changes(keyspace)) == 8


def test_publishing_more_domains_takes_no_more_queries(keyspace, django_assert_max_num_queries):
    def published(count):
        with transaction.atomic():
            keys = [domain.pk for domain in (DomainFactory() for _ in range(count))]
        Domain.objects.filter(pk__in=keys).update(default_ttl=count)
        with django_assert_max_num_queries(31) as queries:
            stage(Kind.DOMAIN, keys)
        return len(queries)

    assert published(40) == published(1)


def test_a_save_does_not_wait_for_what_an_import_has_left(keyspace, monkeypatch):
    domains = [DomainFactory() for _ in range(12)]
    monkeypatch.setattr(outbox, "BATCH", 3)
    now = timezone.now()
    Outbox.objects.bulk_create(
        [Outbox(kind=Kind.DOMAIN, object_id=domain.pk, staged_at=now, force=True) for domain in domains]
    )
    domains[-1].default_ttl = 7
    domains[-1].save()
    assert documents(keyspace)[domains[-1].host]["cache"]["default_ttl"] == 7
    assert Outbox.objects.count() >= 12 - 3
    with transaction.atomic():
        for domain in domains[:7]:
            domain.default_ttl = 8
            domain.save()
    assert {documents(keyspace)[domain.host]["cache"]["default_ttl"] for domain in domains[:7]} == {8}
    flush()
    assert Outbox.objects.count() == 0
