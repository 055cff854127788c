"""What the edges are given of certificates, and when it comes and goes."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.sealing import open_sealed
from certificates.models import Authority, Authorization, Certificate, Enrollment, Order, TicketKey
from domains.models import Domain
from edge.models import Kind, Publication
from edge.rendering import render
from edge.services import domains_answer, names_release, publication_status
from edge.sync import keyspace_compare, keyspace_repair
from tests.certificates.made import enroll, made_certificate, many_secured, secured_domain, serve
from tests.edge.keyspace_reader import changes, documents, tombstones
from tests.factories import DomainFactory, HostNameFactory

pytestmark = pytest.mark.django_db(transaction=True)

GOLDEN = Path(settings.BASE_DIR / "tests" / "golden")


def shape(value):
    """What kind of thing it is, all the way down."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def golden(kind):
    return json.loads((GOLDEN / f"{kind}.json").read_text())


def shown(domain, token="token-1", **fields):
    """An answer to a challenge of an order of this domain."""
    authority, _ = Authority.objects.get_or_create(name="ca", directory_url="https://ca.example/dir")
    order, _ = Order.objects.get_or_create(enrollment=enroll(domain), authority=authority, ended_at=None)
    fields = {"challenge_type": "http-01", "value": f"{token}.print"} | fields
    return Authorization.objects.create(
        order=order, name=domain.host, url=f"https://ca.example/{token}", token=token, **fields
    )


def ticket_key(label="1", *, hours=0):
    return TicketKey.objects.create(
        label=label, active_from=timezone.now() + timedelta(hours=hours), key=f"main:{label}"
    )


# -- forms -------------------------------------------------------------------------------------------


def test_the_documents_have_the_forms_that_edges_are_tested_with(keyspace):
    domain = secured_domain()
    HostNameFactory(domain=domain, name="a.example")
    serve(domain, domain.enrollment.current, candidate=made_certificate(domain), node="edge-1")
    shown(domain)
    ticket_key()
    for kind in (Kind.CERTIFICATE, Kind.CHALLENGE, Kind.TICKETS):
        [document] = documents(keyspace, kind).values()
        wanted, is_there = golden(kind), dict(document)
        if kind == Kind.CHALLENGE:
            wanted["tokens"], is_there["tokens"] = (
                [*wanted["tokens"].values()],
                [*document["tokens"].values()],
            )
        assert shape(is_there) == shape(wanted)
    assert [*documents(keyspace, Kind.TICKETS)] == ["tickets"]


def test_a_certificate_document_has_the_chain_and_the_key_as_they_are_stored(keyspace):
    domain = secured_domain()
    certificate = Certificate.objects.get(pk=domain.enrollment.current_id)
    document = documents(keyspace, Kind.CERTIFICATE)["www.a.example"]
    current = document["current"]
    assert (document["id"], document["host"]) == (domain.pk, "www.a.example")
    assert "candidate" not in document
    assert current["chain"] == certificate.chain
    assert current["key"] == certificate.key
    assert current["names"] == ["www.a.example"]
    assert datetime.fromtimestamp(current["not_after"], UTC) == certificate.not_after
    record = f"certificate:{current['fingerprint']}"
    assert open_sealed(current["key"], record=record, ring="edges")[:1] == b"\x30"  # PKCS #8, DER


@pytest.mark.parametrize(
    ("fields", "placeholder"),
    [({}, False), ({"source": "placeholder"}, True), ({"source": "acme", "staging": True}, True)],
)
def test_what_nobody_trusts_is_called_a_placeholder(keyspace, fields, placeholder):
    domain = secured_domain()
    certificate = Certificate.objects.get(pk=domain.enrollment.current_id)
    for name, value in fields.items():
        setattr(certificate, name, value)
    certificate.save()
    assert documents(keyspace, Kind.CERTIFICATE)["www.a.example"]["current"]["placeholder"] == placeholder


def test_the_domains_document_says_how_it_is_served_over_https_and_nothing_without(keyspace):
    domain = DomainFactory(host="www.a.example")
    assert "tls" not in documents(keyspace)["www.a.example"]
    domain.tls = True
    domain.save()
    assert documents(keyspace)["www.a.example"]["tls"] == {"policy": "intermediate", "https_only": False}
    domain.https_only, domain.hsts_max_age, domain.tls_policy = True, 300, "modern"
    domain.save()
    assert documents(keyspace)["www.a.example"]["tls"] == {
        "policy": "modern",
        "https_only": True,
        "hsts": {"max_age": 300, "subdomains": False},
    }


def test_an_enrollment_that_has_nothing_yet_is_not_published(keyspace):
    domain = DomainFactory(host="www.a.example", tls=True)
    serve(domain, None)
    assert documents(keyspace, Kind.CERTIFICATE) == {}
    status = publication_status(kind=Kind.CERTIFICATE, object_id=domain.pk)
    assert "there is no certificate yet" in status.sentence


def test_a_candidate_is_published_before_there_is_anything_else(keyspace):
    domain = DomainFactory(host="www.a.example", tls=True)
    serve(domain, None, candidate=made_certificate(domain), node="edge-1")
    document = documents(keyspace, Kind.CERTIFICATE)["www.a.example"]
    assert document["current"] is None
    assert document["candidate"]["node"] == "edge-1"


# -- coming and going ----------------------------------------------------------------------------------


def test_a_certificate_comes_before_its_domain_is_served_with_it_and_goes_after(keyspace):
    domain = DomainFactory(host="www.a.example")
    serve(domain, made_certificate(domain))
    keyspace.client.delete("cdn:changes")
    domain.tls = True
    domain.save()
    assert kinds_of(keyspace) == [("put", "certificate"), ("put", "domain")]
    keyspace.client.delete("cdn:changes")
    domain.tls = False
    domain.save()
    assert kinds_of(keyspace) == [("put", "domain"), ("gone", "certificate")]


def kinds_of(server):
    return [(fields["op"], fields["kind"]) for _, fields in server.client.xrange("cdn:changes")]


def test_a_renamed_domain_has_its_certificate_under_the_new_name_at_every_moment(keyspace):
    domain = secured_domain()
    shown(domain)
    keyspace.client.delete("cdn:changes")
    domain.host = "www.b.example"
    domain.save()
    ops = [
        (fields["op"], fields["kind"], fields["key"])
        for _, fields in keyspace.client.xrange("cdn:changes")
        if fields["kind"] != "purge"
    ]
    new, old = "www.b.example", "www.a.example"
    assert ops.index(("put", "certificate", new)) < ops.index(("put", "domain", new))
    assert ops.index(("put", "challenge", new)) < ops.index(("put", "domain", new))
    assert ops.index(("gone", "domain", old)) < ops.index(("gone", "certificate", old))
    assert [*documents(keyspace, Kind.CERTIFICATE)] == [*documents(keyspace, Kind.CHALLENGE)] == [new]


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_a_certificate_is_held_as_long_as_its_domain_is(keyspace, how):
    """DNS still gives the names to clients: they are served, and over HTTPS."""
    domain = secured_domain()
    pk = domain.pk
    assert domains_answer(domain_ids=[pk]) == {pk}
    if how == "disabled":
        domain.enabled = False
        domain.save()
    else:
        domain.delete()
    assert "www.a.example" in documents(keyspace)
    assert "www.a.example" in documents(keyspace, Kind.CERTIFICATE)

    assert keyspace_compare().sound  # nor does the reconciler take it away
    assert keyspace_repair().sound
    assert "www.a.example" in documents(keyspace, Kind.CERTIFICATE)

    publication = Publication.objects.get(kind=Kind.DOMAIN, object_id=pk)
    names_release(publication=publication, names=["www.a.example"])
    assert documents(keyspace) == {}
    assert documents(keyspace, Kind.CERTIFICATE) == {}
    assert tombstones(keyspace, Kind.CERTIFICATE) == {"www.a.example"}
    assert keyspace_compare().sound


def test_a_domain_that_was_deleted_takes_its_certificates_with_it(keyspace):
    domain = secured_domain()
    shown(domain)
    domain.delete()
    assert not Certificate.objects.exists()
    assert not Order.objects.exists()
    assert documents(keyspace, Kind.CERTIFICATE) == documents(keyspace, Kind.CHALLENGE) == {}


def test_a_name_that_passes_to_another_domain_is_served_with_that_ones_certificate(keyspace):
    first = secured_domain("www.a.example")
    second = secured_domain("www.b.example")
    first.delete()
    second.host = "www.a.example"
    second.save()
    document = documents(keyspace, Kind.CERTIFICATE)["www.a.example"]
    assert document["id"] == second.pk
    assert tombstones(keyspace, Kind.CERTIFICATE) == {"www.b.example"}


def test_a_certificate_that_is_sealed_again_is_published_again(keyspace):
    domain = secured_domain()
    certificate = Certificate.objects.get(pk=domain.enrollment.current_id)
    certificate.key = "new:AAAA"
    certificate.save(update_fields=["key"])
    assert documents(keyspace, Kind.CERTIFICATE)["www.a.example"]["current"]["key"] == "new:AAAA"


def test_saving_what_edges_do_not_see_publishes_nothing(keyspace):
    domain = secured_domain()
    before = len(changes(keyspace))
    enrollment = Enrollment.objects.get(domain=domain)
    enrollment.problem, enrollment.attempts = "It failed.", 3
    enrollment.save()
    shown(domain, challenge_type="dns-01")
    assert len(changes(keyspace)) == before


# -- challenges and tickets ----------------------------------------------------------------------------


def test_answers_are_one_document_a_domain_which_goes_with_the_last_of_them(keyspace):
    domain = DomainFactory(host="www.a.example")
    first, second = shown(domain, "t1"), shown(domain, "t2")
    shown(domain, "t3", challenge_type="dns-01")
    document = documents(keyspace, Kind.CHALLENGE)["www.a.example"]
    assert document["tokens"] == {"t1": "t1.print", "t2": "t2.print"}
    first.value = first.token = ""
    first.save()
    assert documents(keyspace, Kind.CHALLENGE)["www.a.example"]["tokens"] == {"t2": "t2.print"}
    second.delete()
    assert documents(keyspace, Kind.CHALLENGE) == {}
    assert tombstones(keyspace, Kind.CHALLENGE) == {"www.a.example"}


def test_ticket_keys_are_one_document_the_newest_first(keyspace):
    old = ticket_key("1", hours=-8)
    ticket_key("2")
    document = documents(keyspace, Kind.TICKETS)["tickets"]
    assert [key["id"] for key in document["keys"]] == ["2", "1"]
    assert document["keys"][1]["active_from"] == int(old.active_from.timestamp())
    old.delete()
    assert [key["id"] for key in documents(keyspace, Kind.TICKETS)["tickets"]["keys"]] == ["2"]
    TicketKey.objects.get().delete()
    assert documents(keyspace, Kind.TICKETS) == {}
    assert keyspace_compare().sound


def test_everything_comes_back_after_redis_has_lost_it(keyspace):
    domain = secured_domain()
    shown(domain)
    ticket_key()
    before = {kind: documents(keyspace, kind) for kind in (Kind.CERTIFICATE, Kind.CHALLENGE, Kind.TICKETS)}
    keyspace.client.flushall()
    keyspace_repair()
    after = {kind: documents(keyspace, kind) for kind in before}
    for kind, found in before.items():
        bodies = [{name: value for name, value in d.items() if name != "rev"} for d in found.values()]
        assert bodies == [
            {name: value for name, value in d.items() if name != "rev"} for d in after[kind].values()
        ]
    restored = [fields["kind"] for _, fields in keyspace.client.xrange("cdn:changes")]
    assert restored.index("certificate") < restored.index("domain")
    assert keyspace_compare().sound


def test_one_repair_is_enough_after_a_renaming_without_a_signal(keyspace):
    domain = secured_domain()
    Domain.objects.filter(pk=domain.pk).update(host="www.b.example")
    keyspace_repair(force=True)
    assert [*documents(keyspace, Kind.CERTIFICATE)] == [*documents(keyspace)] == ["www.b.example"]
    assert keyspace_compare().sound


def test_what_differs_without_a_signal_is_found_and_mended(keyspace):
    domain = secured_domain()
    other = made_certificate(domain)
    Enrollment.objects.update(current=other)
    [difference] = keyspace_compare().differences
    assert (difference.kind, difference.key) == (Kind.CERTIFICATE, "www.a.example")
    keyspace_repair()
    document = documents(keyspace, Kind.CERTIFICATE)["www.a.example"]
    assert document["current"]["fingerprint"] == other.fingerprint


# -- many --------------------------------------------------------------------------------------------


def test_rendering_more_takes_no_more_queries(keyspace, django_assert_num_queries):
    domains = [secured_domain(f"www.{n}.example") for n in range(6)]
    for domain in domains:
        shown(domain, f"t{domain.pk}")
    for kind, queries in ((Kind.CERTIFICATE, 1), (Kind.CHALLENGE, 3)):
        for some in (domains[:2], domains):
            with django_assert_num_queries(queries):
                rendering = render(kind, [domain.pk for domain in some])
            assert len(rendering.documents) == len(some)


def test_a_thousand_certificates_are_published_in_seconds(keyspace):
    """Whatever would take long with ten thousand (a query for each, say) shows with a thousand."""
    many_secured(1_000)
    begun = time.process_time()  # what others do on this machine meanwhile does not count
    keyspace_repair()
    took = time.process_time() - begun
    assert len(documents(keyspace, Kind.CERTIFICATE)) == 1_000
    assert took < 6, took
