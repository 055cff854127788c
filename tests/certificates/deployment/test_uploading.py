"""Certificates that operators have got elsewhere, and the way back to the one before."""

import pytest

from alarms.models import Alarm
from certificates.checks.errors import CertificateRefused
from certificates.checks.reading import read_pem
from certificates.deployment import certificate_revert, certificate_upload
from certificates.deployment.errors import NotReverted
from certificates.deployment.uploading import domain_of, domains_covered
from certificates.models import Certificate, Enrollment
from domains.models import Domain
from tests.certificates.house import DAY, NOW, the_house
from tests.factories import DomainFactory, HostNameFactory


def upload(*names, domains, confirmed=False, **more):
    material = read_pem(*the_house().bundle(*names, **more))
    return certificate_upload(material=material, domains=domains, confirmed=confirmed)


def test_an_uploaded_certificate_is_deployed_and_no_longer_renewed_by_itself(world):
    world.add_edge("edge-1")
    uploaded = upload("www.example.com", domains=[world.domain])
    assert uploaded.notes == ("The root “Test House Root” was left out: clients have it, or never trust it.",)
    assert world.now().source == Enrollment.Source.UPLOAD
    assert world.deploy().sentence == "served on 1 of 1"
    assert world.enrollment.current == uploaded.certificate


def test_an_older_one_is_installed_where_somebody_says_so(world):
    world.add_edge("edge-1")
    world.deploy(world.issue())
    old = {"begin": NOW - 50 * DAY, "end": NOW + 40 * DAY}
    with pytest.raises(CertificateRefused) as caught:
        upload("www.example.com", domains=[world.domain], **old)
    assert caught.value.confirmable
    uploaded = upload("www.example.com", domains=[world.domain], confirmed=True, **old)
    assert world.deploy().state == "served"
    assert world.enrollment.current == uploaded.certificate


def test_one_that_lacks_a_name_is_installed_where_somebody_says_so(world):
    world.add_edge("edge-1")
    HostNameFactory(domain=world.domain, name="example.com")
    with pytest.raises(CertificateRefused, match="is not for example.com"):
        upload("www.example.com", domains=[world.domain])
    upload("www.example.com", domains=[world.domain], confirmed=True)
    assert world.deploy().state == "served"


def test_one_certificate_serves_several_domains_and_belongs_to_none_alone(world):
    world.add_edge("edge-1")
    other = DomainFactory(host="shop.example.com", tls=True)
    DomainFactory(host="other.example", tls=True)
    material = read_pem(*the_house().bundle("www.example.com", "*.example.com"))
    assert domains_covered(material) == [other, world.domain]
    uploaded = certificate_upload(material=material, domains=domains_covered(material))
    assert uploaded.certificate.enrollment is None
    world.deploy()
    assert world.enrollment.current == uploaded.certificate
    # The other domain goes, and its certificate stays for this one.
    Domain.objects.get(pk=other.pk).delete()
    assert world.now().current == uploaded.certificate


def test_all_domains_get_it_or_none(world):
    other = DomainFactory(host="other.example", tls=True)
    with pytest.raises(CertificateRefused, match=r"^other\.example: The certificate is for"):
        upload("www.example.com", domains=[world.domain, other])
    assert not Certificate.objects.filter(source=Certificate.Source.UPLOAD).exists()
    assert world.now().candidate is None


def test_the_same_one_may_be_uploaded_again_also_for_another_domain(world):
    bundle = the_house().bundle("*.example.com")
    first = certificate_upload(material=read_pem(*bundle), domains=[world.domain]).certificate
    assert first.enrollment == world.enrollment
    assert certificate_upload(material=read_pem(*bundle), domains=[world.domain]).certificate == first
    other = DomainFactory(host="shop.example.com", tls=True)
    again = certificate_upload(material=read_pem(*bundle), domains=[other]).certificate
    assert again == first and again.enrollment is None


def test_uploading_what_is_served_already_takes_back_the_one_in_trial(world):
    bundle = the_house().bundle("www.example.com")
    first = certificate_upload(material=read_pem(*bundle), domains=[world.domain]).certificate
    world.deploy()
    second = upload("www.example.com", domains=[world.domain], begin=NOW - DAY).certificate
    assert world.now().candidate == second
    certificate_upload(material=read_pem(*bundle), domains=[world.domain])
    assert (world.now().current, world.enrollment.candidate) == (first, None)


def test_a_step_back_takes_back_what_is_said_of_a_refused_one(world):
    edge = world.add_edge("edge-1")
    first, second, third = (world.issue(begin=NOW - days * DAY) for days in (3, 2, 1))
    world.deploy(first)
    world.deploy(second)
    edge.refuses = "its key cannot be opened"
    assert world.deploy(third).state == "failed"
    opened = Alarm.objects.open().filter(kind="certificate_deployment")
    assert opened.exists()
    certificate_revert(enrollment=world.enrollment)
    assert not opened.exists()


def test_what_was_revoked_is_not_installed_again(world):
    bundle = the_house().bundle("www.example.com")
    certificate = certificate_upload(material=read_pem(*bundle), domains=[world.domain]).certificate
    Certificate.objects.filter(pk=certificate.pk).update(revoked_at=NOW)
    with pytest.raises(CertificateRefused, match="was revoked"):
        certificate_upload(material=read_pem(*bundle), domains=[world.domain])


def test_domains_are_found_by_any_of_their_names(world):
    HostNameFactory(domain=world.domain, name="xn--bcher-kva.example")
    assert domain_of("bücher.example") == domain_of("WWW.example.com.") == world.domain
    for text in ("nobody.example", "http://x/"):
        with pytest.raises(CertificateRefused):
            domain_of(text)


# -- one step back ----------------------------------------------------------------------------------


def test_one_step_leads_back_and_the_same_step_forth(world):
    edge = world.add_edge("edge-1")
    first, second = world.issue(), world.issue(begin=NOW - DAY)
    world.deploy(first)
    world.deploy(second)
    assert certificate_revert(enrollment=world.enrollment) == first
    assert edge.document()["current"]["fingerprint"] == first.fingerprint
    assert world.deploy().sentence == "served on 1 of 1"
    assert certificate_revert(enrollment=world.now()) == second
    assert world.now().previous == first


def test_a_step_back_takes_back_what_is_being_tried(world):
    first, second, third = (world.issue(begin=NOW - days * DAY) for days in (3, 2, 1))
    world.deploy(first)
    world.deploy(second)
    world.start(third)
    certificate_revert(enrollment=world.enrollment)
    assert (world.now().current, world.enrollment.candidate) == (first, None)


def test_whoever_has_got_a_certificate_renews_it_after_a_step_back_too(world):
    world.add_edge("edge-1")
    first = world.issue()
    world.deploy(first)
    second = upload("www.example.com", domains=[world.domain], begin=NOW - DAY).certificate
    world.deploy()
    later = NOW + 60 * DAY
    Enrollment.objects.update(next_attempt_at=later, renew_at=later, ari_start=later, ari_end=later)
    assert certificate_revert(enrollment=world.now()) == first
    assert world.now().source == Enrollment.Source.ACME
    # What was planned was for the other one.
    assert (world.enrollment.next_attempt_at, world.enrollment.ari_start) == (None, None)
    assert certificate_revert(enrollment=world.now()) == second
    assert world.now().source == Enrollment.Source.UPLOAD


def test_there_is_no_way_back_to_what_clients_would_refuse(world):
    with pytest.raises(NotReverted, match="no certificate before"):
        certificate_revert(enrollment=world.enrollment)
    first, second = world.issue(), world.issue(begin=NOW - DAY)
    world.deploy(first)
    world.deploy(second)
    Certificate.objects.filter(pk=first.pk).update(not_after=NOW - DAY)
    with pytest.raises(NotReverted, match="expired on"):
        certificate_revert(enrollment=world.enrollment)
    Certificate.objects.filter(pk=first.pk).update(not_after=NOW + DAY, revoked_at=NOW)
    with pytest.raises(NotReverted, match="was revoked"):
        certificate_revert(enrollment=world.enrollment)
    assert world.now().current == second
