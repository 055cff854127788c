"""Documents that an edge must not take."""

import json

import pytest
from django.core.management import call_command

from edge import keyspace as names
from edge.models import Kind
from edge.services import publication_statuses
from tests.factories import DomainFactory, HostNameFactory
from tests.servers import eventually
from tests.system.configuration_world import announce, applied, published, serves

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda document: "{", "JSON"),
        (lambda document: "7", "JSON"),
        (lambda document: {**document, "schema": 99}, "schema"),
        (lambda document: {**document, "origins": []}, "origins"),
        (lambda document: {**document, "host": "other.example"}, "other.example"),
    ],
)
def test_a_malformed_document_is_refused_and_reported_and_the_last_good_one_stays(
    edge, origin, keyspace, spoil, why
):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], domain))
    good = published(keyspace, domain.host)
    rev = good["rev"] + 1
    announce(keyspace, domain.host, spoil({**good, "rev": rev}), epoch=good["epoch"], rev=rev)
    refused = eventually(lambda: json.loads(keyspace.client.hget(names.ack_key("edge-1"), "refusals")))
    assert refused[f"domain:{domain.host}"]["rev"] == rev
    assert why in refused[f"domain:{domain.host}"]["why"]
    assert serves(edge, origin, domain.host, "/still")
    assert edge.health()["status"] == "warning"
    assert edge.metric("cirrus_config_errors_total") == 1
    edge.stop()
    edge.start()
    assert serves(edge, origin, domain.host, "/restarted")


def test_a_refused_document_is_still_refused_after_a_restart_and_says_so(edge, origin, keyspace):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], domain))
    good = published(keyspace, domain.host)
    rev = good["rev"] + 1
    keyspace.client.zadd(names.index_key(Kind.DOMAIN), {domain.host: rev})
    announce(keyspace, domain.host, {**good, "rev": rev, "origins": []}, epoch=good["epoch"], rev=rev)
    eventually(lambda: edge.health()["config_errors"] == 1)
    edge.stop()
    edge.start()
    eventually(lambda: edge.health()["config_errors"] == 1)  # else its page would say: applied
    refused = eventually(lambda: json.loads(keyspace.client.hget(names.ack_key("edge-1"), "refusals")))
    assert refused[f"domain:{domain.host}"]["rev"] == rev


def test_a_document_without_room_leaves_everything_as_it_was(one_node, start_edge, start_origin, keyspace):
    edge = start_edge("edge-1", CIRRUS_EDGE_CONFIG_MEMORY="1m")
    one, two = start_origin(), start_origin()
    domain, other = DomainFactory(origin__port=one.port), DomainFactory(origin__port=two.port)
    HostNameFactory(domain=domain, name="kept.example")
    HostNameFactory(domain=other, name="a0000.example")
    eventually(lambda: applied([edge], domain) and applied([edge], other))
    good = published(keyspace, domain.host)
    rev = published(keyspace, other.host)["rev"] + 1
    many = [f"a{number:04}.example" for number in range(9000)]
    announce(keyspace, domain.host, {**good, "rev": rev, "aliases": many}, epoch=good["epoch"], rev=rev)
    eventually(lambda: edge.health()["config_errors"] == 1)
    assert serves(edge, one, domain.host, "/1")
    assert serves(edge, one, "kept.example", "/2")
    assert serves(edge, two, "a0000.example", "/3")
    assert edge.get("a0001.example").status_code == 404
    assert "raise CIRRUS_EDGE_CONFIG_MEMORY" in edge.errors()


def test_what_a_stranger_writes_to_the_stream_is_looked_at_once(edge, origin, keyspace):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied([edge], domain))
    before = edge.errors().count("comparing with the whole index")
    strange = keyspace.client.xadd(names.CHANGES, {"kind": "domain"})
    eventually(lambda: keyspace.client.hget(names.ack_key("edge-1"), "stream") == strange)
    announce(keyspace, domain.host, "{", epoch="no number", rev="none")
    domain.default_ttl = 9
    domain.save()
    eventually(lambda: applied([edge], domain))
    assert edge.errors().count("comparing with the whole index") - before <= 3


def test_more_refusals_than_can_be_listed_make_no_document_look_applied(edge, origin, keyspace):
    domains = [DomainFactory(origin__port=origin.port) for _ in range(22)]
    eventually(lambda: applied([edge], domains[-1]))
    good = [published(keyspace, domain.host) for domain in domains]
    rev = max(document["rev"] for document in good)
    for number, (domain, document) in enumerate(zip(domains, good, strict=True), start=rev + 1):
        announce(keyspace, domain.host, {**document, "origins": []}, epoch=document["epoch"], rev=number)
    cut = eventually(lambda: keyspace.client.hget(names.ack_key("edge-1"), "refusals_cut") == "1")
    assert cut
    tones = {
        status.tone
        for status in publication_statuses(kind=Kind.DOMAIN, object_ids=[d.pk for d in domains]).values()
    }
    assert tones == {"refused"}
    assert serves(edge, origin, domains[-1].host, "/still")
    call_command("sync_keyspace", "--repair")
    edge.reload()  # compares with the index, and so finds that nothing is refused any more
    eventually(lambda: all(applied([edge], domain) for domain in domains))
