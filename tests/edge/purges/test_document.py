"""The purge document of a domain, in a real Redis."""

import json
import re
import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from domains.models import Domain
from edge import keyspace as names
from edge.models import Kind, Outbox, Purge, PurgeRecord, PurgeTarget
from edge.outbox import flush, stage
from edge.projection import publish, publishing
from edge.purges import document
from edge.purges.services import (
    purge_request,
    purge_status,
)
from edge.sync import keyspace_compare, keyspace_repair
from edge.tasks import drain_outbox
from tests.edge.keyspace_reader import changes, meta, tombstones
from tests.edge.purges.world import ask, purges
from tests.factories import DomainFactory
from tests.servers import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_purge_is_stamped_with_the_revision_of_the_document_that_first_carries_it(keyspace, domain):
    first = ask(domain, "/a")
    found = purges(keyspace)["www.example.com"]
    assert (first.rev, first.epoch, first.state) == (found["rev"], found["epoch"], Purge.State.SENT)
    assert found["urls"] == [["/a", first.rev, 0]]
    second = ask(domain, "/b", soft=True)
    assert purges(keyspace)["www.example.com"]["urls"] == [["/a", first.rev, 0], ["/b", 0, second.rev]]
    assert second.rev > first.rev


def test_the_document_is_rendered_as_the_golden_one_has_it(keyspace, domain):
    asked = [
        {"everything": True},
        {"urls": ["/a"]},
        {"urls": ["/a?x=1"], "soft": True},
        {"prefixes": ["/img/"]},
        {"tags": ["Product-1"]},
    ]
    revs = [Purge.objects.get(pk=purge_request(domains=[domain], **what)[0].pk).rev for what in asked]
    found = json.dumps(purges(keyspace)["www.example.com"])
    for golden, rev in zip(range(13, 18), revs, strict=True):
        found = re.sub(rf"\b{rev}\b(?=[,}}\]])", f"R{golden}", found)
    expected = json.loads((ROOT / "tests" / "golden" / "purge.json").read_text())
    expected["epoch"] = int(meta(keyspace)["epoch"])
    assert json.loads(found.replace("R", "")) == expected


def test_several_domains_in_one_turn_get_each_its_own_revision(keyspace):
    a, b = DomainFactory(host="a.example"), DomainFactory(host="b.example")
    purge_request(urls=["https://a.example/x", "http://b.example/x", "https://b.example/y"])
    for host in (a.host, b.host):
        found = purges(keyspace)[host]
        assert {row[1] for row in found["urls"]} == {found["rev"]}
    assert Purge.objects.get(domain=b).targets == 2


def test_a_domain_without_purges_has_no_document(keyspace, domain):
    assert purges(keyspace) == {}
    assert tombstones(keyspace, "purge") == set()


def test_purges_that_waited_for_redis_are_one_publication(keyspace, domain):
    keyspace.stop()
    first, second = ask(domain, "/a"), ask(domain, "/b")
    assert first.state == Purge.State.QUEUED
    assert purge_status(purge=first).sentence.endswith("Redis cannot be reached")
    keyspace.start()
    drain_outbox()
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.rev == second.rev == purges(keyspace)["www.example.com"]["rev"]
    assert [change for change in changes(keyspace) if change[1] == "www.example.com"].count(
        ("put", "www.example.com")
    ) == 2  # the domain itself, and the one document of both purges


def test_a_turn_that_was_killed_leaves_no_stamp_and_the_next_gives_a_newer_one(keyspace, domain, monkeypatch):
    def killed(*_, **__):
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr("edge.purges.document.News.note", killed)
        purge = ask(domain, "/a")
    lost = purges(keyspace)["www.example.com"]["rev"]
    assert (purge.state, purge.rev) == (Purge.State.QUEUED, None)
    assert not PurgeRecord.objects.exists()
    drain_outbox()
    purge.refresh_from_db()
    assert purge.rev > lost
    assert purges(keyspace)["www.example.com"]["urls"] == [["/a", purge.rev, 0]]


def test_what_is_published_already_is_not_published_again(keyspace, domain):
    ask(domain, "/a")
    before = changes(keyspace)
    stage(Kind.PURGE, [domain.pk])
    domain.save()
    assert changes(keyspace) == before
    assert keyspace_compare().sound


def test_more_targets_than_one_turn_may_have_follow_in_the_next(keyspace, domain, monkeypatch):
    monkeypatch.setattr(document, "TURN", 3)
    keyspace.stop()
    asked = [ask(domain, f"/{n}/a", f"/{n}/b") for n in range(4)]
    keyspace.start()
    flush()
    assert not Outbox.objects.exists()
    assert len(purges(keyspace)["www.example.com"]["urls"]) == 8
    revs = [Purge.objects.get(pk=purge.pk).rev for purge in asked]
    assert revs == sorted(set(revs))


def test_a_disabled_domain_keeps_its_purges_and_a_deleted_one_does_not(keyspace, domain):
    ask(domain, "/a")
    domain.enabled = False
    domain.save()
    assert set(purges(keyspace)) == {"www.example.com"}
    domain.delete()
    assert purges(keyspace) == {}
    assert tombstones(keyspace, "purge") == {"www.example.com"}
    assert keyspace_compare().sound
    assert Purge.objects.get().host == "www.example.com"


def test_a_renamed_domain_is_never_on_the_edges_without_its_purges(keyspace, domain):
    rev = ask(domain, "/a").rev
    domain.host = "new.example"
    domain.save()
    assert purges(keyspace)["new.example"]["urls"] == [["/a", rev, 0]]
    order = [
        (fields["op"], fields["kind"], fields["key"]) for _, fields in keyspace.client.xrange(names.CHANGES)
    ][-4:]
    assert order == [
        ("put", "purge", "new.example"),
        ("put", "domain", "new.example"),
        ("gone", "domain", "www.example.com"),
        ("gone", "purge", "www.example.com"),
    ]


def test_a_purge_of_a_renamed_domain_does_not_withdraw_what_its_old_name_needs(keyspace, domain):
    ask(domain, "/a")
    Domain.objects.filter(pk=domain.pk).update(host="new.example")
    with publishing() as turn:
        publish(turn, Kind.PURGE, {domain.pk: timezone.now()})
    assert set(purges(keyspace)) == {"www.example.com", "new.example"}
    keyspace_repair(force=True)
    assert set(purges(keyspace)) == {"new.example"}
    assert keyspace_compare().sound


def test_purges_outlive_a_flushed_redis_and_come_back_before_their_domains(keyspace, domain):
    rev = ask(domain, "/a").rev
    keyspace.client.flushall()
    drain_outbox()
    assert purges(keyspace)["www.example.com"]["urls"] == [["/a", rev, 0]]
    assert [fields["kind"] for _, fields in keyspace.client.xrange(names.CHANGES)] == ["purge", "domain"]


def test_a_rebuild_writes_the_same_stamps_in_a_new_epoch(keyspace, domain):
    first = ask(domain, "/a")
    keyspace_repair(rebuild=True)
    found = purges(keyspace)["www.example.com"]
    assert found["epoch"] > first.epoch
    assert found["urls"] == [["/a", first.rev, 0]]


def test_what_somebody_changed_in_redis_is_repaired(keyspace, domain):
    ask(domain, "/a")
    keyspace.client.set("cdn:purge:www.example.com", "{}")
    assert [d.kind for d in keyspace_compare().differences] == ["purge"]
    keyspace_repair()
    assert purges(keyspace)["www.example.com"]["urls"][0][0] == "/a"


def test_a_hundred_purges_at_once_are_all_there(keyspace, domain):
    def one(number):
        try:
            purge_request(domains=[domain], urls=[f"/{number}/{n}" for n in range(10)])
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    flush()
    rows = {name: hard for name, hard, _ in purges(keyspace)["www.example.com"]["urls"]}
    assert len(rows) == 100
    for purge in Purge.objects.all():
        assert {rows[row.name] for row in purge.rows.all()} == {purge.rev}


def test_ten_thousand_targets_in_one_call_take_a_few_statements(
    keyspace, domain, django_assert_max_num_queries
):
    with django_assert_max_num_queries(90):
        purge = ask(domain, *(f"/d/{n}" for n in range(10_000)))
    assert purges(keyspace)["www.example.com"]["prefixes"] == [["/d/", purge.rev, 0]]
    assert PurgeTarget.objects.count() == 10_000
    assert keyspace_compare().sound


def test_records_that_are_widened_away_leave_the_database_too(keyspace, domain):
    ask(domain, "/d/1", "/e/1")
    ask(domain, everything=True)
    assert list(PurgeRecord.objects.values_list("scope", flat=True)) == ["all"]


def test_a_purge_that_is_widened_when_it_is_published_says_so(keyspace, domain):
    with transaction.atomic():  # one turn for both
        [few] = purge_request(domains=[domain], tags=["t"])
        [many] = purge_request(domains=[domain], urls=[f"/d/{n}" for n in range(5_000)])
    few.refresh_from_db()
    many.refresh_from_db()
    assert few.rev == many.rev
    assert few.widened == ""
    assert many.widened == ("with it more than 4,096 names are purged of this domain: widened to directories")
