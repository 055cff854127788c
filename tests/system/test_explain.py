"""“Why?”: the control plane asks a running edge, by command and on a page."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from domains.rule_summary import rule_summary
from nodes.models import Node
from tests.factories import CacheConditionFactory, CacheRuleFactory, DomainFactory, NodeFactory
from tests.servers import eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def images(edge, origin):
    """A rule for images on a domain that the edge has."""
    node = Node.objects.get(name="edge-1")
    node.status_port = edge.status_port
    node.save()
    domain = DomainFactory(host="www.x.example", origin__port=origin.port)
    rule = CacheRuleFactory(domain=domain, name="Images", edge_ttl=3600, query_mode="none")
    CacheConditionFactory(rule=rule, values="/img/")
    CacheConditionFactory(rule=rule, what="cookie", name="beta", values="1")
    eventually(lambda: edge.get("www.x.example", "/").status_code == 200)
    eventually(lambda: "Images" in explained("http://www.x.example/img/%61", "--cookie", "beta=1"))
    return rule


def explained(*words: str) -> str:
    out = StringIO()
    call_command("explain_url", *words, stdout=out)
    return out.getvalue()


def test_the_command_says_which_rule_which_key_and_how_long(images):
    text = explained("http://www.x.example/img/%61?utm=1", "--cookie", "beta=1", "--header", "Accept: */*")

    assert "Images" in text
    assert f"{images.domain_id}|http://www.x.example/img/a\n" in text
    assert "would be kept 3600 s" in text
    assert "edge-1" in text


def test_without_what_the_rule_asks_for_none_matches(images):
    facts = json.loads(explained("http://www.x.example/img/a?utm=1", "--json"))

    assert "rule" not in facts
    assert facts["key"].endswith("|http://www.x.example/img/a?utm=1")
    assert facts["answer"]["ttl"] == 300


def test_what_a_rule_does_is_told_as_in_the_list_of_rules(images):
    text = explained("http://www.x.example/img/a", "--cookie", "beta=1")

    assert rule_summary(images) in text
    assert "edge_ttl" not in text


def test_other_methods_than_get_and_head_go_past_the_cache(images):
    text = explained("http://www.x.example/img/a", "--method", "POST", "--cookie", "beta=1")

    assert "past the cache, as its method is POST" in text
    assert "would not be kept: only answers to GET and HEAD are kept" in text
    assert "through the cache" in explained("http://www.x.example/a", "--method", "HEAD")


def test_why_an_answer_would_not_be_kept_is_said(images):
    silent = explained("http://www.x.example/a", "--cookie", "a=b")
    assert "would not be kept: the request has a cookie and the origin gives no lifetime" in silent
    assert "a rule with an edge TTL" in silent

    url = "http://www.x.example/a.css"
    assert "kept: the origin says no-store;" in explained(url, "--answer", "Cache-Control: no-store")
    assert "kept: the domain's guard: the type text/html" in explained(
        url, "--answer", "Content-Type: text/html"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--country", "XYZ"), "“XYZ” is no country code with two letters"),
        (("--from", "foo"), "Enter a valid IPv4 or IPv6 address."),
    ],
)
def test_what_a_client_cannot_be_is_refused_as_in_the_form(db, arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        explained("http://www.x.example/", *arguments)


def test_what_cannot_be_answered_is_said_in_a_sentence(images):
    with pytest.raises(CommandError, match="unknown.example is served by no domain on this edge"):
        explained("http://unknown.example/")
    with pytest.raises(CommandError, match="is no whole URL"):
        explained("/a")
    with pytest.raises(CommandError, match="There is no edge “edge-9”"):
        explained("http://www.x.example/", "--node", "edge-9")


def test_an_edge_that_does_not_answer_is_passed_over_and_named_where_none_does(images, edge):
    NodeFactory(name="edge-0", status_port=1)
    assert "edge-1" in explained("http://www.x.example/")

    edge.stop()
    with pytest.raises(CommandError) as caught:
        explained("http://www.x.example/")
    assert "edge-0 did not answer at its status port, 127.0.0.1:1" in str(caught.value)
    assert f"edge-1 did not answer at its status port, 127.0.0.1:{edge.status_port}" in str(caught.value)


def test_the_page_of_a_domain_asks_as_well(images, admin_client):
    there = reverse("admin:domains_domain_why", args=[images.domain_id])
    page = admin_client.get(reverse("admin:domains_domain_change", args=[images.domain_id])).content.decode()
    assert there in page

    asked = {"url": "/img/a", "method": "GET", "headers": "Cookie: beta=1"}
    page = admin_client.get(there, asked).content.decode()
    assert "Images" in page
    assert "would be kept 3600 s" in page

    said = admin_client.get(there, asked | {"answer": "Cache-Control: private, no-cache"})
    assert "would be kept 3600 s" not in said.content.decode()
    assert "the origin says private" in said.content.decode()

    assert "is no header" in admin_client.get(there, asked | {"headers": "x"}).content.decode()
    unknown = admin_client.get(there, asked | {"url": "http://unknown.example/"}).content.decode()
    assert "unknown.example is served by no domain on this edge" in unknown
