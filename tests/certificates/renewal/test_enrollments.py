"""Turning on HTTPS, and adding a name to it, requests what is missing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.models import Backoff, Enrollment, Order
from certificates.services.enrollments import enrollment_ensure, enrollment_request, enrollments_ensure
from certificates.services.tending import certificates_tend
from domains.models import Domain, HostName
from tests.certificates.renewal.rows import authority, enrolled, ordered, serving
from tests.factories import DomainFactory

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_turning_on_https_enrolls_the_domain_in_the_same_save():
    domain = DomainFactory()
    assert not Enrollment.objects.exists()
    domain.tls = True
    domain.save()

    assert Enrollment.objects.get().domain == domain
    domain.save()
    assert Enrollment.objects.count() == 1


def test_turning_it_off_and_on_again_keeps_what_there_is():
    enrollment = enrolled()
    held = serving(enrollment)
    domain = Domain.objects.get()
    for tls in (False, True):
        domain.tls = tls
        domain.save()

    assert Enrollment.objects.get().current == held


def test_adding_a_name_has_it_ordered_at_once():
    authority()
    enrollment = enrolled("www.shop.example")
    serving(enrollment)
    assert certificates_tend() == []
    HostName.objects.create(domain=enrollment.domain, name="shop.example")

    (order_id,) = certificates_tend()
    assert Order.objects.get(pk=order_id).names == ["www.shop.example", "shop.example"]


def test_a_name_below_a_wildcard_needs_no_new_certificate():
    authority()
    enrollment = enrolled("shop.example", aliases=["*.shop.example"])
    serving(enrollment)
    assert certificates_tend() == []
    HostName.objects.create(domain=enrollment.domain, name="www.shop.example")

    assert certificates_tend() == []


def test_a_save_does_not_shorten_the_wait_after_a_failure():
    authority()
    later = timezone.now() + HOUR
    enrollment = enrolled(attempts=3, next_attempt_at=later, first_failed_at=timezone.now())
    enrollment.domain.save()
    enrollment.refresh_from_db()

    assert enrollment.next_attempt_at == later
    assert certificates_tend() == []


def test_a_name_that_failed_and_went_leaves_no_failure_behind():
    authority()
    enrollment = enrolled("www.shop.example", aliases=["bad.example"])
    serving(enrollment, names=["www.shop.example"])
    later = timezone.now() + HOUR
    Enrollment.objects.update(
        attempts=5, first_failed_at=timezone.now(), problem="No.", next_attempt_at=later
    )
    assert certificates_tend() == []
    enrollment.domain.hostnames.get(name="bad.example").delete()
    assert certificates_tend() == []

    enrollment.refresh_from_db()
    assert (enrollment.attempts, enrollment.first_failed_at, enrollment.problem) == (0, None, "")
    assert enrollment.next_attempt_at > timezone.now() + DAY


def test_too_many_names_are_tried_again_as_soon_as_there_are_fewer():
    authority(max_names=2)
    enrollment = enrolled("www.shop.example", aliases=["a.example", "b.example"])
    assert certificates_tend() == []
    enrollment.domain.hostnames.get(name="b.example").delete()

    assert len(certificates_tend()) == 1


def test_whom_no_signal_has_seen_is_enrolled_by_the_scheduled_job():
    DomainFactory()
    Domain.objects.update(tls=True)
    assert not Enrollment.objects.exists()

    assert enrollments_ensure() == 1
    assert enrollments_ensure() == 0


def test_a_domain_without_https_is_not_enrolled():
    assert enrollment_ensure(domain=DomainFactory()) is None


def test_who_asks_for_a_new_one_need_not_wait_for_what_we_would_wait_for():
    one = authority()
    later = timezone.now() + HOUR
    enrollment = enrolled(
        "www.shop.example", attempts=9, next_attempt_at=later, first_failed_at=timezone.now()
    )
    serving(enrollment)
    Backoff.objects.create(name="www.shop.example", authority=one, failures=4, next_at=later)
    enrollment_request(enrollment=enrollment)

    assert len(certificates_tend()) == 1


def test_but_for_what_the_authority_has_asked_for():
    one = authority()
    enrollment = enrolled("www.shop.example")
    Backoff.objects.create(name="www.shop.example", authority=one, asked=True, next_at=timezone.now() + HOUR)
    enrollment_request(enrollment=enrollment)

    assert certificates_tend() == []
    assert len(certificates_tend(now=timezone.now() + 2 * HOUR)) == 1


def test_asking_again_brings_an_order_forward_that_waits():
    enrollment = enrolled()
    order = ordered(enrollment, authority())
    Order.objects.filter(pk=order.pk).update(due_at=timezone.now() + HOUR)
    enrollment_request(enrollment=enrollment)

    assert certificates_tend() == [order.pk]


def test_an_edge_sees_nothing_of_a_schedule(django_assert_num_queries):
    from edge.models import Outbox

    enrollment = enrolled()
    Outbox.objects.all().delete()
    enrollment_request(enrollment=enrollment)
    certificates_tend()

    assert not Outbox.objects.exists()
