"""Comparing Redis with the database, and bringing it back: whatever was lost, added or restored."""

import json
import threading
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from domains.models import Domain
from edge import keyspace as names
from edge import rendering
from edge.comparison import Problem
from edge.errors import PlanRefused, RedisForgot, RepairBusy
from edge.lineage import Lineage, compare, read_standing
from edge.models import Keyspace, Kind, Outbox, Publication
from edge.outbox import flush
from edge.sync import keyspace_compare, keyspace_reconcile, keyspace_repair, outbox_drain
from tests.edge.keyspace_reader import acknowledge, changes, documents, meta, tombstones
from tests.factories import DomainFactory, NodeFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def published(keyspace):
    """Eight domains and a node, all published, and a ninth domain that was withdrawn."""
    for n in range(8):
        DomainFactory(host=f"www.{n}.example")
    NodeFactory(name="edge-1")
    DomainFactory(host="withdrawn.example").delete()
    return keyspace


def problems(plan):
    return {(d.problem, d.key) for d in plan.differences}


def assert_sound():
    plan = keyspace_compare()
    assert plan.sound, plan.lines()


def test_what_is_published_by_saves_is_sound(published):
    assert_sound()
    assert keyspace_compare().lines() == ["Redis holds what the database says."]


@pytest.mark.parametrize(
    ("damage", "problem", "key"),
    [
        (("delete", "cdn:dom:www.1.example"), Problem.MISSING, "www.1.example"),
        (("set", "cdn:dom:www.1.example", "{}"), Problem.DIFFERS, "www.1.example"),
        (("zrem", "cdn:index:domain", "www.1.example"), Problem.INDEX_LOST, "www.1.example"),
        (("zadd", "cdn:index:domain", {"www.1.example": 1}), Problem.DIFFERS, "www.1.example"),
        (("zadd", "cdn:gone:domain", {"www.1.example": 1}), Problem.DIFFERS, "www.1.example"),
        (("zadd", "cdn:index:domain", {"extra.example": 5}), Problem.EXTRA, "extra.example"),
        (("set", "cdn:dom:withdrawn.example", "{}"), Problem.EXTRA, "withdrawn.example"),
        (("zrem", "cdn:gone:domain", "withdrawn.example"), Problem.TOMBSTONE_LOST, "withdrawn.example"),
        (("delete", "cdn:gone:domain"), Problem.TOMBSTONE_LOST, "withdrawn.example"),
        (("delete", "cdn:node:edge-1"), Problem.MISSING, "edge-1"),
    ],
)
def test_damage_is_found_named_and_repaired(published, damage, problem, key):
    command, *arguments = damage
    if isinstance(arguments[-1], dict):
        getattr(published.client, command)(arguments[0], mapping=arguments[1])
    else:
        getattr(published.client, command)(*arguments)
    assert problems(keyspace_compare()) == {(problem, key)}
    assert problems(keyspace_repair()) == {(problem, key)}
    assert_sound()
    changes(published)


def test_a_comparison_writes_nothing(published):
    published.client.delete("cdn:dom:www.1.example")
    before = (changes(published), meta(published), Keyspace.objects.get().revision)
    keyspace_compare()
    assert (changes(published), meta(published), Keyspace.objects.get().revision) == before


def test_what_no_signal_saw_is_repaired(published):
    Domain.objects.filter(host="www.1.example").update(default_ttl=77)
    Domain.objects.filter(host="www.2.example").update(enabled=False)
    Domain.objects.filter(host="www.3.example").update(host="renamed.example")
    assert problems(keyspace_compare()) == {
        (Problem.DIFFERS, "www.1.example"),
        (Problem.EXTRA, "www.2.example"),
        (Problem.EXTRA, "www.3.example"),
        (Problem.MISSING, "renamed.example"),
    }
    keyspace_repair()
    assert documents(published)["www.1.example"]["cache"]["default_ttl"] == 77
    assert {"www.2.example", "www.3.example"} <= tombstones(published)
    assert_sound()


def test_a_repair_brings_everything_back_into_an_emptied_redis_tombstones_too(published):
    before = {key: body | {"rev": 0} for key, body in documents(published).items()}
    published.client.flushall()
    assert keyspace_compare().lineage is Lineage.FORGOT
    keyspace_repair()
    assert {key: body | {"rev": 0} for key, body in documents(published).items()} == before
    assert set(documents(published, "node")) == {"edge-1"}
    assert tombstones(published) == {"withdrawn.example"}
    assert_sound()


def test_after_an_emptied_redis_revisions_go_on_where_they_were(published):
    newest = int(meta(published)["rev"])
    epoch = meta(published)["epoch"]
    published.client.flushall()
    keyspace_repair()
    assert min(document["rev"] for document in documents(published).values()) > newest
    assert meta(published)["epoch"] == epoch


def test_a_lost_meta_is_restored(published):
    newest = meta(published)
    published.client.delete(names.META)
    assert not keyspace_compare().sound
    keyspace_repair()
    assert meta(published) == newest
    assert_sound()


def test_an_empty_keyspace_says_its_epoch_after_a_drain(keyspace):
    outbox_drain()
    assert meta(keyspace)["epoch"] == str(Keyspace.objects.get().epoch)


def test_the_scheduled_drain_heals_an_emptied_redis_and_publishes_what_waited(published):
    published.client.flushall()
    DomainFactory(host="waited.example")
    with pytest.raises(RedisForgot):
        flush()
    outbox_drain()
    assert "waited.example" in documents(published)
    assert tombstones(published) == {"withdrawn.example"}
    assert not Outbox.objects.exists()
    assert_sound()


def test_the_scheduled_drain_publishes_what_a_save_could_not(published):
    published.stop()
    DomainFactory(host="waited.example")
    outbox_drain()
    assert Outbox.objects.exists()
    published.start()
    outbox_drain()
    assert "waited.example" in documents(published)


def restore_database_to(counters):
    """What a restored backup looks like: the counters and the records of then."""
    Keyspace.objects.update(epoch=counters.epoch, revision=counters.revision)
    Publication.objects.filter(rev__gt=counters.revision).delete()


def test_a_restored_database_begins_a_new_epoch_by_itself(published):
    backup = Keyspace.objects.get()
    for domain in Domain.objects.all():
        domain.default_ttl += 5
        domain.save()
    restore_database_to(backup)
    Domain.objects.update(default_ttl=300)
    old = meta(published)
    plan = keyspace_repair()
    assert (plan.lineage, plan.rewrite) == (Lineage.AHEAD, True)
    assert int(meta(published)["epoch"]) > int(old["epoch"])
    assert all(document["rev"] > int(old["rev"]) for document in documents(published).values())
    assert {document["cache"]["default_ttl"] for document in documents(published).values()} == {300}
    assert_sound()


def test_the_scheduled_drain_heals_a_restored_database(published):
    backup = Keyspace.objects.get()
    DomainFactory(host="lost.example")
    restore_database_to(backup)
    Domain.objects.filter(host="lost.example").delete()
    outbox_drain()
    assert "lost.example" in tombstones(published)
    assert_sound()


def test_only_an_operator_trusts_an_edge_that_knows_more_than_the_database(published):
    acknowledge(published, "edge-1", rev=10_000)
    assert keyspace_compare().edges_ahead == ["edge-1"]
    assert not keyspace_repair().rewrite
    assert keyspace_repair(trust_edges=True).rewrite
    assert min(document["rev"] for document in documents(published).values()) > 10_000


def test_a_rebuild_writes_everything_under_a_new_epoch(published):
    old = meta(published)
    plan = keyspace_repair(rebuild=True)
    assert len(plan.differences) == 10
    epoch = int(meta(published)["epoch"])
    assert epoch > int(old["epoch"])
    assert {document["epoch"] for document in documents(published).values()} == {epoch}
    assert Publication.objects.filter(epoch=epoch).count() == Publication.objects.count() == 10
    assert_sound()


def test_a_rebuild_that_was_interrupted_is_finished_by_a_repair(published):
    counters = Keyspace.objects.get()
    Keyspace.objects.update(epoch=counters.epoch + 1)
    Domain.objects.first().save()
    assert len(keyspace_compare().differences) == 9
    keyspace_repair()
    assert_sound()


def test_a_repair_that_would_withdraw_too_much_is_refused_unless_forced(published):
    Domain.objects.update(enabled=False)
    with pytest.raises(PlanRefused) as refused:
        keyspace_repair()
    assert (refused.value.withdrawn, refused.value.published) == (8, 8)
    assert len(documents(published)) == 8
    keyspace_repair(force=True)
    assert documents(published) == {}
    assert_sound()


def test_a_refused_rebuild_has_not_begun_an_epoch(published):
    epoch = Keyspace.objects.get().epoch
    Domain.objects.update(enabled=False)
    with pytest.raises(PlanRefused):
        keyspace_repair(rebuild=True)
    assert Keyspace.objects.get().epoch == epoch


def test_a_share_that_is_allowed_is_withdrawn(published):
    Domain.objects.filter(host__in=["www.0.example", "www.1.example"]).update(enabled=False)
    keyspace_repair()
    assert len(documents(published)) == 6


def test_the_scheduled_comparison_notes_what_it_found(published):
    published.client.delete("cdn:dom:www.1.example")
    keyspace_reconcile()
    noted = Keyspace.objects.get()
    assert (noted.drift, noted.drift_error) == (1, "")
    keyspace_reconcile()
    assert Keyspace.objects.get().drift == 0
    assert Keyspace.objects.get().compared_at > noted.compared_at


def test_the_scheduled_comparison_notes_that_it_was_refused(published):
    Domain.objects.update(enabled=False)
    keyspace_reconcile()
    noted = Keyspace.objects.get()
    assert noted.drift == 8
    assert "CIRRUS_REPAIR_DELETE_SHARE" in noted.drift_error
    assert len(documents(published)) == 8
    keyspace_repair(force=True)
    assert Keyspace.objects.get().drift_error == ""


def test_a_change_that_is_on_its_way_is_not_drift(published):
    domain = Domain.objects.get(host="www.1.example")
    Domain.objects.filter(pk=domain.pk).update(default_ttl=77)
    Outbox.objects.create(kind=Kind.DOMAIN, object_id=domain.pk, staged_at=timezone.now())
    assert_sound()
    keyspace_repair()
    assert documents(published)["www.1.example"]["cache"]["default_ttl"] == 77


def test_an_object_that_cannot_be_rendered_is_told_and_keeps_its_document(published, monkeypatch):
    source = rendering.SOURCES[Kind.DOMAIN]

    def body(domain):
        if domain.host == "www.1.example":
            raise ValueError("cheese")
        return source.body(domain)

    broken = rendering.Source(source.objects, source.key_field, body, source.withheld)
    monkeypatch.setitem(rendering.SOURCES, Kind.DOMAIN, broken)
    published.client.delete("cdn:dom:www.2.example")
    plan = keyspace_repair()
    assert len(plan.broken) == 1
    assert "cheese" in plan.broken[0]
    assert {"www.1.example", "www.2.example"} <= set(documents(published))


def test_a_comparison_and_a_repair_while_saves_go_on_find_nothing_and_break_nothing(published):
    failed = []

    def save():
        try:
            for n in range(40):
                domain = Domain.objects.get(host=f"www.{n % 8}.example")
                domain.default_ttl = 1_000 + n
                domain.save()
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    saver = threading.Thread(target=save)
    saver.start()
    looks = 0
    while saver.is_alive():
        plan = keyspace_repair() if looks % 2 else keyspace_compare()
        assert plan.sound, plan.lines()
        looks += 1
    saver.join()
    assert failed == []
    assert looks > 2
    outbox_drain()
    assert {document["cache"]["default_ttl"] for document in documents(published).values()} == set(
        range(1_032, 1_040)
    )
    assert_sound()


def test_two_repairs_do_not_run_at_once(published):
    published.client.set(names.REPAIR_LOCK, "somebody else")
    with pytest.raises(RepairBusy):
        keyspace_repair()


def test_more_than_one_chunk_is_compared_and_repaired(published, monkeypatch):
    monkeypatch.setattr("edge.comparison.CHUNK", 3)
    monkeypatch.setattr("edge.sync.CHUNK", 3)
    assert_sound()
    published.client.flushall()
    seen = []
    keyspace_repair(progress=lambda what, done, total: seen.append((what, done, total)))
    assert len(documents(published)) == 8
    assert seen[-1] == ("repairing", 10, 10)
    assert_sound()


@pytest.mark.parametrize(
    ("redis", "recorded", "given", "lineage"),
    [
        ((0, 0), (0, 0), (9, 0), Lineage.SOUND),
        ((9, 5), (9, 5), (9, 7), Lineage.SOUND),
        ((9, 6), (9, 5), (9, 7), Lineage.SOUND),
        ((9, 5), (9, 5), (10, 5), Lineage.SOUND),
        ((0, 0), (9, 5), (9, 5), Lineage.FORGOT),
        ((9, 4), (9, 5), (9, 5), Lineage.FORGOT),
        ((8, 9), (9, 5), (9, 9), Lineage.FORGOT),
        ((9, 8), (9, 5), (9, 7), Lineage.AHEAD),
        ((10, 1), (9, 5), (9, 7), Lineage.AHEAD),
    ],
)
def test_the_lineage_tells_loss_from_restoration(redis, recorded, given, lineage):
    assert compare(redis=redis, recorded=recorded, given=given) is lineage


def test_the_standing_is_sound_before_anything_was_published(keyspace):
    assert read_standing().lineage is Lineage.SOUND


def run(*arguments):
    out = StringIO()
    call_command("sync_keyspace", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_exits_with_1_where_there_is_drift(published):
    assert run("--check") == "Redis holds what the database says.\n"
    published.client.delete("cdn:dom:www.1.example")
    with pytest.raises(SystemExit) as ended:
        run("--check")
    assert ended.value.code == 1
    said = run("--repair")
    assert "missing: 1 (www.1.example)" in said
    assert said.endswith("Done: 1 written, 0 withdrawn; the edges follow.\n")
    run("--check")


def test_the_command_refuses_with_a_sentence_and_another_exit_code(published):
    Domain.objects.update(enabled=False)
    with pytest.raises(CommandError, match="--force") as failed:
        run("--repair")
    assert failed.value.returncode == 2
    said = run("--repair", "--force")
    assert "extra: 8" in said
    assert "0 written, 8 withdrawn" in said


def test_the_command_says_so_when_redis_is_down(published):
    published.stop()
    with pytest.raises(CommandError, match="Redis cannot be reached"):
        run("--check")


def test_the_command_prints_its_plan_as_json(published):
    published.client.delete("cdn:dom:www.1.example")
    plan = json.loads(run("--rebuild", "--json"))
    assert plan["new_epoch"]
    assert {"kind": "domain", "problem": "rewritten", "count": 8} in plan["differences"]


def test_an_epoch_of_tomorrow_in_an_acknowledgement_is_not_believed(published):
    NodeFactory(name="edge-2")
    acknowledge(published, "edge-2", epoch=int(time.time()) + 200_000)
    assert keyspace_compare().edges_ahead == []
