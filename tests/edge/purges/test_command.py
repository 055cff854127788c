"""`manage.py purge`, from its arguments to its exit status."""

import io
import os
import pwd
import threading

import pytest
from django.core.management import CommandError, call_command

from edge.models import Purge
from tests.edge.keyspace_reader import acknowledge, documents
from tests.factories import CacheRuleFactory, DomainFactory, HostNameFactory, NodeFactory
from tests.servers import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def domain(keyspace):
    NodeFactory(name="edge-1")
    NodeFactory(name="edge-2")
    return DomainFactory(host="www.example.com")


def run(*arguments, out=None):
    """(what it printed, its exit status)."""
    out, status = out or io.StringIO(), 0
    try:
        call_command("purge", *arguments, stdout=out)
    except SystemExit as ended:
        status = ended.code
    return out.getvalue(), status


def test_each_sort_of_target_is_purged(keyspace, domain):
    HostNameFactory(domain=domain, name="alias.example")
    run("https://alias.example/a?x=1")
    run("www.example.com", "--prefix", "/img/", "--prefix", "/js/", "--tag", "Red", "--soft")
    run("alias.example", "--all")
    third = documents(keyspace, "purge")["www.example.com"]
    assert third["all"] == [third["rev"], 0]
    assert [(purge.summary, purge.soft) for purge in Purge.objects.order_by("pk")] == [
        ("/a?x=1", False),
        ("/img/, /js/, red", True),
        ("everything", False),
    ]


def test_it_says_how_far_it_is_until_it_is_done(keyspace, domain):
    acknowledge(keyspace, "edge-1")
    acknowledge(keyspace, "edge-2")

    out = io.StringIO()

    def edges():
        rev = eventually(lambda: documents(keyspace, "purge")["www.example.com"]["rev"])
        acknowledge(keyspace, "edge-1", rev=rev)
        eventually(lambda: "applied on 1 of 2 edges, waiting for edge-2\n" in out.getvalue())
        acknowledge(keyspace, "edge-2", rev=rev)

    thread = threading.Thread(target=edges)
    thread.start()
    printed, status = run("https://www.example.com/a", "--wait", "10", out=out)
    thread.join()
    assert status == 0
    assert printed.splitlines()[-1].startswith("www.example.com: done: on 2 of 2 edges, 0.")


def test_it_fails_where_it_is_not_done_in_time_and_only_then(keyspace, domain):
    acknowledge(keyspace, "edge-1")
    printed, status = run("https://www.example.com/a", "--wait", "0.1")
    assert status == 1
    assert "waiting for edge-1 and edge-2 (never heard of)" in printed
    assert run("https://www.example.com/a")[1] == 0  # it was not asked to wait


def test_it_does_not_wait_for_an_edge_that_refuses(keyspace, domain):
    purge_refused = '{"purge:www.example.com": {"epoch": %d, "rev": %d, "why": "no room"}}'
    run("https://www.example.com/a")
    first = Purge.objects.get()
    refusals = purge_refused % (first.epoch, first.rev + 1000)
    for edge in ("edge-1", "edge-2"):
        acknowledge(keyspace, edge, rev=first.rev + 1000, refusals=refusals)
    printed, status = run("https://www.example.com/b", "--wait", "60")
    assert status == 1
    assert "refused by edge-1 and edge-2: no room" in printed


def test_with_redis_down_it_is_accepted_and_not_done(keyspace, domain):
    keyspace.stop()
    printed, status = run("https://www.example.com/a", "--wait", "0.1")
    assert status == 1
    assert "queued since" in printed
    assert "Redis cannot be reached" in printed


def test_a_file_has_paths_or_urls_one_a_line(keyspace, domain, tmp_path, monkeypatch):
    (tmp_path / "list").write_text("# changed\n/a\n\n  # more\nhttps://www.example.com/b\n")
    run("www.example.com", "--file", str(tmp_path / "list"))
    monkeypatch.setattr("sys.stdin", io.StringIO("/c\n"))
    run("www.example.com", "--file", "-")
    urls = [row[0] for row in documents(keyspace, "purge")["www.example.com"]["urls"]]
    assert urls == ["/a", "/b", "/c"]


def test_what_is_wrong_in_a_file_is_told_with_its_lines(keyspace, domain, tmp_path):
    (tmp_path / "list").write_text("/a\n#\n/img/*\nhttps://other.example/\nx\nftp://a/\nhttp://b.example/\n")
    with pytest.raises(CommandError) as caught:
        run("www.example.com", "--file", str(tmp_path / "list"))
    told = str(caught.value)
    assert "Line 3: “/img/*”: a star is no wildcard" in told
    assert "Line 4: No domain has the host name other.example." in told
    assert "Line 5: “x” is neither a path" in told
    assert told.endswith("2 more lines cannot be used.")
    with pytest.raises(CommandError, match="Line 1: /a is a path: say of which domain"):
        run("--file", str(tmp_path / "list"))
    assert not Purge.objects.exists()


def test_a_purge_that_is_widened_says_so(keyspace, domain):
    CacheRuleFactory(domain=domain, query_mode="none")
    sentence = "widened: a rule of this domain changes the query in keys, so all queries of /s/a are purged"
    assert sentence in run("https://www.example.com/s/a?x=1", "--dry-run")[0]
    assert run("https://www.example.com/s/a?x=1")[0].count(f"www.example.com: {sentence}\n") == 1
    assert "widened" not in run("https://www.example.com/s/a")[0]


def test_who_ran_the_command_is_in_the_note(keyspace, domain):
    me = pwd.getpwuid(os.getuid()).pw_name
    run("www.example.com", "--all")
    run("www.example.com", "--all", "--note", "n" * 300)
    newest, first = Purge.objects.all()
    assert first.note == f"by command (system user {me})"
    assert newest.note.startswith("nnn")
    assert newest.note.endswith(f"n, by command (system user {me})")


def test_a_dry_run_says_what_and_does_nothing(keyspace, domain):
    printed, _ = run("www.example.com", "--prefix", "/a/", "--tag", "t", "--dry-run")
    assert printed == "Would purge 1 prefix and 1 tag of www.example.com: /a/, t.\n"
    assert not Purge.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["other.example", "--all"], "No domain has the host name other.example."),
        (["https://other.example/a"], "No domain has the host name other.example."),
        (["www.example.com"], "Say what to purge"),
        ([], "Say what to purge"),
        (["--all"], "Say of which domain"),
        (["www.example.com", "--prefix", "img"], "a prefix begins with /"),
        (["www.example.com", "--file", "/nowhere"], "/nowhere cannot be read"),
        (["not_a_host!", "--all"], "not a valid host name"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(keyspace, domain, arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        run(*arguments)
    assert not Purge.objects.exists()
