"""`manage.py purge --wait` with two real edges: after “done” the old answer is gone."""

import io
from itertools import count

import pytest
from django.core.management import call_command

from tests.factories import DomainFactory, NodeFactory
from tests.servers import OriginAnswer, eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(start_edge, origin):
    """Two edges that have one domain, whose answers are never the same twice."""
    versions = count(1)
    origin.answer = lambda request: OriginAnswer(
        body=f"{request.path} {next(versions)}".encode(), headers=(("Cache-Control", "max-age=3600"),)
    )
    for name in ("edge-1", "edge-2"):
        NodeFactory(name=name)
    edges = [start_edge("edge-1"), start_edge("edge-2")]
    domain = DomainFactory(host="www.example.com", origin__port=origin.port)
    for edge in edges:
        eventually(lambda edge=edge: edge.get(domain.host, "/").status_code == 200)
    return edges


def purge(*arguments):
    out = io.StringIO()
    call_command("purge", *arguments, "--wait", "10", stdout=out)
    return out.getvalue()


def test_after_done_no_edge_serves_the_old_answer(site):
    for _ in range(10):
        before = [edge.get("www.example.com", "/a").text for edge in site]
        told = purge("https://www.example.com/a")
        after = [edge.get("www.example.com", "/a").text for edge in site]
        assert not set(before) & set(after)
        assert told.splitlines()[-1].startswith("www.example.com: done: on 2 of 2 edges, 0.")


def test_an_edge_that_was_stopped_has_the_purge_before_it_serves(site):
    first, second = site
    before = [edge.get("www.example.com", "/a").text for edge in site]
    second.stop()
    with pytest.raises(SystemExit):
        call_command("purge", "www.example.com", "--prefix", "/a", "--wait", "0.2", stdout=io.StringIO())
    assert first.get("www.example.com", "/a").text != before[0]
    second.start()
    assert second.get("www.example.com", "/a").text != before[1]


def test_more_targets_than_an_edge_is_told_purge_their_directory(site, tmp_path):
    before = [edge.get("www.example.com", "/d/0").text for edge in site]
    kept = [edge.get("www.example.com", "/e").text for edge in site]
    (tmp_path / "list").write_text("\n".join(f"/d/{n}" for n in range(9_000)))
    assert "done: on 2 of 2 edges" in purge("www.example.com", "--file", str(tmp_path / "list"))
    assert not set(before) & {edge.get("www.example.com", "/d/0").text for edge in site}
    assert kept == [edge.get("www.example.com", "/e").text for edge in site]
