"""Purges against a real Redis and a real database; edges are played by the tests."""

import json
import re
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from domains.models import CacheRule, Domain
from edge import keyspace as names
from edge.errors import PurgeLimited, PurgeRefused
from edge.models import Keyspace, Kind, Outbox, Publication, Purge, PurgeAllowance, PurgeRecord, PurgeTarget
from edge.outbox import flush, stage
from edge.projection import publish, publishing
from edge.purges import document
from edge.purges.services import (
    MATTERS,
    purge_request,
    purge_status,
    purge_statuses,
    purges_expire,
    purges_settle,
)
from edge.sync import keyspace_compare, keyspace_repair
from edge.tasks import drain_outbox, expire_purges, settle_publications
from nodes.models import Node
from tests.edge.keyspace_reader import acknowledge, changes, documents, meta, tombstones
from tests.factories import DomainFactory, HostNameFactory, NodeFactory
from tests.servers import ROOT, eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def domain(keyspace):
    return DomainFactory(host="www.example.com")


def purges(server):
    return documents(server, "purge")


def ask(domain, *urls, **what):
    [purge] = purge_request(domains=[domain], urls=urls, **what)
    purge.refresh_from_db()
    return purge


# -- the document ------------------------------------------------------------------------------------


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


# -- what may be asked ---------------------------------------------------------------------------------


def test_any_name_of_a_domain_stands_for_it(keyspace):
    domain = DomainFactory(host="*.example.com")
    HostNameFactory(domain=domain, name="bücher.example")
    [purge] = purge_request(urls=["https://bücher.example/a", "http://img.example.com/b", "x.example.com/c"])
    assert (purge.domain, purge.targets) == (domain, 3)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ({"urls": ["https://other.example/a"]}, "No domain has the host name other.example."),
        ({"urls": ["/a"]}, "/a is a path: say of which domain"),
        ({}, "Say what to purge"),
        ({"prefixes": ["/a"]}, "Say of which domain"),
        ({"everything": True}, "Say of which domain"),
        ({"urls": ["https://www.example.com/", "nonsense"]}, "neither a path"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_done(keyspace, domain, what, sentence):
    with pytest.raises(PurgeRefused, match=sentence):
        purge_request(**what)
    assert not Purge.objects.exists()


def test_a_url_of_another_domain_and_everything_with_more_are_refused(keyspace, domain):
    other = DomainFactory(host="other.example")
    with pytest.raises(PurgeRefused, match="www.example.com belongs to the domain www.example.com, which"):
        purge_request(domains=[other], urls=["https://www.example.com/a"])
    with pytest.raises(PurgeRefused, match="leave them out"):
        purge_request(domains=[other], everything=True, tags=["a"])


def test_many_mistakes_are_not_all_told(keyspace, domain):
    with pytest.raises(PurgeRefused) as refused:
        purge_request(domains=[domain], urls=[f"x{n}" for n in range(100)])
    assert str(refused.value).endswith("95 more of them cannot be used.")


def test_one_query_is_purged_alone_unless_a_rule_changes_queries(keyspace, domain):
    ask(domain, "/a?x=1")
    assert purges(keyspace)["www.example.com"]["urls"][0][0] == "/a?x=1"
    CacheRule.objects.create(domain=domain, name="No queries", query_mode=CacheRule.QueryMode.NONE)
    widened = ask(domain, "/b?x=1", "/b?x=2", "/c").widened
    assert widened == "a rule of this domain changes the query in keys, so all queries of /b are purged"
    assert [row[0] for row in purges(keyspace)["www.example.com"]["urls"]] == ["/a?x=1", "/b", "/c"]


def test_a_domain_has_an_allowance_that_says_when_there_is_room(keyspace, domain, settings):
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"purge_burst": 3, "purge_per_second": 0.1})
    other = DomainFactory(host="other.example")
    ask(domain, "/a", "/b")
    with pytest.raises(PurgeLimited, match=r"room for 1 more targets now; for 2 there will be in 10 s"):
        purge_request(urls=["https://other.example/a", "http://www.example.com/c", "www.example.com/d"])
    assert Purge.objects.count() == 1  # nothing is half done
    assert not Purge.objects.filter(domain=other).exists()
    PurgeAllowance.objects.update(at=timezone.now() - timedelta(seconds=11))
    ask(domain, "/c", "/d")
    with pytest.raises(PurgeLimited, match="more than one request may have"):
        ask(domain, *(f"/{n}" for n in range(4)))


def test_an_allowance_may_be_forgotten_while_it_is_taken(keyspace, domain):
    ask(domain, "/a")
    problems = []

    def one():
        try:
            purge_request(domains=[domain], urls=["/b"])
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    other = threading.Thread(target=one)
    with transaction.atomic():
        PurgeAllowance.objects.all().delete()
        other.start()
        if connection.vendor == "postgresql":  # where it waits for the row, and not for the whole database
            eventually(is_waited_for)
    other.join()
    assert problems == []
    assert PurgeAllowance.objects.count() == 1


def is_waited_for():
    """Whether another connection to this database waits for a lock that somebody has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


# -- where it is -----------------------------------------------------------------------------------------


@pytest.fixture
def edges(keyspace):
    NodeFactory(name="edge-1")
    NodeFactory(name="edge-2")
    return keyspace


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


# -- forgetting ------------------------------------------------------------------------------------------


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


# -- a database that was restored from a backup ------------------------------------------------------------


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
