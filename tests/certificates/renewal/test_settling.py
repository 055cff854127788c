"""What is remembered of an order that has ended, and who is asked next."""

from datetime import timedelta

import pytest
from django.utils import timezone

from alarms.models import Alarm
from certificates.issuance.outcomes import FailureKind, Issued
from certificates.models import Authority, Backoff, Certificate, Enrollment, Order
from certificates.services.tending import certificates_tend, orders_settle
from certificates.services.watching import certificates_alarm
from tests.certificates.renewal.rows import (
    authority,
    certificate,
    ended,
    enrolled,
    failure,
    ordered,
    serving,
)

pytestmark = pytest.mark.django_db

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def settle(enrollment, at, outcome, *, staging=False):
    """An order there has ended with this outcome; the enrollment after that."""
    ended(ordered(enrollment, at, staging=staging), outcome)
    assert orders_settle(now=timezone.now()) == 1
    enrollment.refresh_from_db()
    return enrollment


def next_order(*, in_: timedelta = timedelta()):
    """The order that is opened after so much time; None where none is."""
    opened = certificates_tend(now=timezone.now() + in_)
    assert len(opened) <= 1
    return Order.objects.select_related("authority").get(pk=opened[0]) if opened else None


def where(order) -> tuple[str, bool] | None:
    return (order.authority.name, order.staging) if order else None


def test_after_a_failure_of_the_names_all_wait_and_then_the_staging_is_asked_first():
    one = authority(staging_url="https://one-staging.example/dir")
    authority("two", position=20)
    enrollment = settle(enrolled(), one, failure(FailureKind.UNAUTHORIZED, "It saw another answer."))

    assert (enrollment.attempts, enrollment.problem) == (1, "It saw another answer.")
    assert enrollment.first_failed_at is not None
    assert next_order() is None
    assert next_order(in_=MINUTE / 2) is None
    assert where(next_order(in_=2 * MINUTE)) == ("one", True)


def test_an_authority_that_is_passed_by_is_told_at_once_and_no_longer_once_it_issues():
    one = authority()
    for number in range(3):
        assert not Alarm.objects.exists()
        settle(enrolled(f"n{number}.example"), one, failure(FailureKind.CA_DOWN, "It is down."))
    alarm = Alarm.objects.open().get()
    assert (alarm.kind, alarm.subject) == ("certificate_authority", "one")
    assert "one has failed 3 times in a row, last with: It is down." in alarm.sentence
    certificates_alarm()  # the same one
    assert Alarm.objects.get().pk == alarm.pk

    enrollment = enrolled("n3.example")
    settle(enrollment, one, Issued(certificate(enrollment)))
    assert not Alarm.objects.open().exists()


def test_production_is_asked_at_once_when_its_staging_has_issued_and_not_before():
    one = authority(staging_url="https://one-staging.example/dir")
    enrollment = settle(enrolled(), one, failure())
    enrollment = settle(enrollment, one, failure(), staging=True)
    assert enrollment.attempts == 2
    assert where(order := next_order(in_=5 * MINUTE)) == ("one", True)
    ended(order, Issued(certificate(enrollment, staging=True)))

    assert where(next_order(in_=5 * MINUTE)) == ("one", False)


def test_a_production_failure_after_a_good_staging_leads_back_to_the_staging():
    one = authority(staging_url="https://one-staging.example/dir")
    enrollment = settle(enrolled(), one, failure())
    settle(enrollment, one, Issued(certificate(enrollment, staging=True)), staging=True)
    settle(enrollment, one, failure())

    assert where(next_order(in_=HOUR)) == ("one", True)


def test_a_staging_that_is_down_is_passed_over():
    one = authority(staging_url="https://one-staging.example/dir")
    enrollment = settle(enrolled(), one, failure())
    settle(enrollment, one, failure(FailureKind.CA_DOWN), staging=True)

    assert Authority.objects.get().failures == 0
    assert where(next_order(in_=2 * MINUTE)) == ("one", False)


def test_when_an_authority_is_down_the_next_one_is_asked_at_once():
    one = authority()
    authority("two", position=20)
    settle(enrolled(), one, failure(FailureKind.CA_DOWN))

    assert where(next_order()) == ("two", False)


@pytest.mark.parametrize("kind", [FailureKind.CAA, FailureKind.REJECTED_IDENTIFIER, FailureKind.MALFORMED])
def test_when_an_authority_does_not_issue_for_the_names_the_next_one_is_asked_at_once(kind):
    one = authority()
    authority("two", position=20)
    settle(enrolled(), one, failure(kind))

    assert where(next_order()) == ("two", False)


@pytest.mark.parametrize("others", [0, 1])
def test_a_staging_that_issues_what_production_refuses_is_not_asked_in_turn_with_it_without_end(others):
    authority(staging_url="https://one-staging.example/dir")
    for number in range(others):
        authority(f"other{number}", position=20, staging_url=f"https://other{number}-staging.example/dir")
    enrollment = enrolled()
    orders = 0
    while order := next_order():
        orders += 1
        assert orders < 10, "it is asked again and again"
        refused = failure(FailureKind.CAA, names=(enrollment.domain.host,))
        ended(order, Issued(certificate(enrollment, staging=True)) if order.staging else refused)

    assert orders == 1 + others
    assert where(next_order(in_=HOUR)) == ("one", True)


def test_a_rate_limit_is_kept_to_the_second_and_by_those_it_is_about():
    one = authority()
    limited, other = enrolled("limited.example"), enrolled("other.example")
    until = timezone.now() + 3 * HOUR
    problem = {"identifier": {"type": "dns", "value": "limited.example"}}
    for _ in range(5):
        settle(limited, one, failure(FailureKind.RATE_LIMITED, retry_after=until, problem=problem))

    assert Authority.objects.get().open_until is None
    order = next_order()
    assert order.enrollment == other
    ended(order, Issued(serving(other)))
    assert next_order(in_=2.9 * HOUR) is None
    assert next_order(in_=3.2 * HOUR).enrollment == limited


def test_a_limit_that_names_nobody_is_everybodys_once_three_have_met_it():
    one = authority()
    until = timezone.now() + 3 * HOUR
    for number in range(3):
        settle(enrolled(f"n{number}.example"), one, failure(FailureKind.RATE_LIMITED, retry_after=until))
    enrolled("another.example")

    assert Authority.objects.get().open_until >= until
    assert next_order(in_=2 * HOUR) is None
    assert where(next_order(in_=3.5 * HOUR)) == ("one", False)
    assert next_order(in_=3.5 * HOUR) is None  # the one that tries it is enough


def test_an_answer_closes_the_breaker_even_if_it_is_a_refusal():
    one = authority()
    for number in range(3):
        settle(enrolled(f"n{number}.example"), one, failure(FailureKind.CA_DOWN))
    assert Authority.objects.get().open_until is not None
    settle(enrolled("another.example"), one, failure(FailureKind.DNS))

    assert (Authority.objects.get().failures, Authority.objects.get().open_until) == (0, None)


def test_a_failure_of_our_own_is_held_against_nobody():
    one = authority()
    enrollment = settle(enrolled(), one, failure(FailureKind.NOT_SEEN))

    assert not Backoff.objects.exists()
    assert enrollment.next_attempt_at > timezone.now()


def test_success_forgets_every_failure():
    one = authority()
    enrollment = settle(enrolled(requested_at=timezone.now()), one, failure())
    settle(enrollment, one, Issued(certificate(enrollment, left=1.0)))

    assert (enrollment.attempts, enrollment.first_failed_at, enrollment.problem) == (0, None, "")
    assert enrollment.requested_at is None
    assert 56 * DAY < enrollment.renew_at - timezone.now() < 61 * DAY
    assert not Backoff.objects.exists()


def test_an_order_is_settled_once_however_many_look():
    one = authority()
    enrollment = settle(enrolled(), one, failure())

    assert orders_settle(now=timezone.now()) == 0
    enrollment.refresh_from_db()
    assert enrollment.attempts == 1


@pytest.mark.parametrize("kind", list(FailureKind))
def test_no_failure_takes_a_valid_certificate_from_the_edges(kind):
    one = authority()
    enrollment = enrolled()
    held = serving(enrollment, left=0.01)
    for _ in range(4):
        settle(enrollment, one, failure(kind))

    assert enrollment.current == held
    assert Certificate.objects.filter(pk=held.pk, revoked_at=None).exists()
    assert Enrollment.objects.count() == 1


def test_a_certificate_that_ends_soon_is_tried_more_often_than_its_failures_would_allow():
    one = authority()
    enrollment = enrolled(attempts=40, first_failed_at=timezone.now() - 29 * DAY)
    serving(enrollment, left=0.01, length=10 * HOUR)
    settle(enrollment, one, failure())

    assert enrollment.next_attempt_at - timezone.now() <= 2 * MINUTE
