"""The DNS sends clients to a node only once it has the certificate too; who is answered already stays."""

import pytest

from dnszones.models import Site
from dnszones.publishing import zones_rebuild
from dnszones.store import read_zone
from dnszones.zonedata import decode_rrsets
from domains.models import Domain
from edge.models import Publication
from tests.dnszones.factories import ZoneFactory
from tests.edge.keyspace_reader import acknowledge
from tests.factories import DomainFactory, NodeFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def edges(keyspace):
    ZoneFactory(apex="cdn.example", serves_sites=True)
    NodeFactory(name="edge-1", ipv4="192.0.2.1")
    NodeFactory(name="edge-2", ipv4="192.0.2.2")


def answered(keyspace, domain):
    zones_rebuild()
    owner = Site.objects.get(domain=domain).access_name.removesuffix(".cdn.example")
    rrsets = decode_rrsets(read_zone(keyspace.client, "cdn.example").names.get(owner, "[]"))
    return {value for rtype, _, data in rrsets if rtype == "A" for value in data}


def secured():
    """A domain that serves HTTPS since after it went live; and the revision before its certificate's."""
    domain = DomainFactory()
    domain.tls = True
    domain.save()
    before = Publication.objects.get(kind="certificate", object_id=domain.pk).since_rev - 1
    assert Publication.objects.get(kind="domain", object_id=domain.pk).since_rev <= before
    return domain, before


def test_a_new_domain_is_answered_by_nodes_that_have_its_certificate(keyspace, edges):
    domain, before = secured()
    acknowledge(keyspace, "edge-1", rev=before)
    acknowledge(keyspace, "edge-2", rev=before)
    assert answered(keyspace, domain) == set()
    acknowledge(keyspace, "edge-2")
    assert answered(keyspace, domain) == {"192.0.2.2"}
    acknowledge(keyspace, "edge-1")
    assert answered(keyspace, domain) == {"192.0.2.1", "192.0.2.2"}


def test_an_edge_that_refuses_the_certificate_is_not_answered(keyspace, edges):
    domain, _ = secured()
    published = Publication.objects.get(kind="certificate", object_id=domain.pk)
    why = f'{{"epoch": {published.epoch}, "rev": {published.rev}, "why": "its key cannot be opened"}}'
    acknowledge(keyspace, "edge-1", refusals=f'{{"certificate:{published.key}": {why}}}')
    acknowledge(keyspace, "edge-2")
    assert answered(keyspace, domain) == {"192.0.2.2"}


def test_turning_on_https_takes_nobody_out_of_the_answers(keyspace, edges):
    domain = DomainFactory()
    for name in ("edge-1", "edge-2"):
        acknowledge(keyspace, name)
    assert answered(keyspace, domain) == {"192.0.2.1", "192.0.2.2"}
    domain.tls = True
    domain.save()
    assert Publication.objects.filter(kind="certificate", object_id=domain.pk, live=True).exists()
    assert answered(keyspace, domain) == {"192.0.2.1", "192.0.2.2"}


def test_a_node_that_joins_waits_for_the_certificate_of_a_domain_that_others_answer(keyspace, edges):
    domain, _ = secured()
    for name in ("edge-1", "edge-2"):
        acknowledge(keyspace, name)
    assert answered(keyspace, domain) == {"192.0.2.1", "192.0.2.2"}
    Site.objects.filter(domain=domain).update(replicas=3)
    NodeFactory(name="edge-3", ipv4="192.0.2.3")
    certificate = Publication.objects.get(kind="certificate", object_id=domain.pk)
    acknowledge(keyspace, "edge-3", rev=certificate.since_rev - 1)
    assert answered(keyspace, domain) == {"192.0.2.1", "192.0.2.2"}
    acknowledge(keyspace, "edge-3")
    assert answered(keyspace, domain) == {"192.0.2.1", "192.0.2.2", "192.0.2.3"}


def test_the_build_says_for_which_revision_it_waits(keyspace, edges):
    domain, before = secured()
    for name in ("edge-1", "edge-2"):
        acknowledge(keyspace, name, rev=before)
    awaited = zones_rebuild().awaited
    assert awaited == {"edge-1": before + 1, "edge-2": before + 1}
    assert answered(keyspace, domain) == set()


def test_a_domain_without_https_does_not_wait_for_the_document_that_is_withdrawn(keyspace, edges):
    domain, before = secured()
    Domain.objects.filter(pk=domain.pk).update(tls=False)
    acknowledge(keyspace, "edge-1", rev=before)
    assert answered(keyspace, domain) == {"192.0.2.1"}
