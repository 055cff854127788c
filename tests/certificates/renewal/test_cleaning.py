"""What is forgotten, and what never is."""

from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.models import Backoff, Certificate, Order
from certificates.services.cleaning import certificates_clean
from tests.certificates.renewal.rows import authority, certificate, ended, enrolled, failure, ordered, serving

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def test_a_certificate_that_is_valid_or_in_use_is_never_forgotten():
    enrollment = enrolled()
    current = serving(enrollment, left=-3, length=90 * DAY)
    superseded = certificate(enrollment, left=0.4)
    ended_lately = certificate(enrollment, left=-0.1)
    long_ago = certificate(enrollment, left=-0.5)

    assert certificates_clean() == 1
    real = Certificate.objects.exclude(source=Certificate.Source.PLACEHOLDER)
    assert set(real) == {current, superseded, ended_lately}
    assert not Certificate.objects.filter(pk=long_ago.pk).exists()


def test_what_nobody_trusts_is_forgotten_after_a_day():
    trial = certificate(enrolled(), staging=True, left=0.9)
    assert certificates_clean(now=trial.not_before + DAY / 2) == 0
    assert certificates_clean(now=trial.not_before + 2 * DAY) == 1
    placeholder = Certificate.objects.get()
    assert placeholder.source == Certificate.Source.PLACEHOLDER  # which is in use, and stays


def test_old_orders_and_failures_are_forgotten_and_open_ones_are_not():
    one = authority()
    old = ended(ordered(enrolled("old.example"), one), failure())
    Order.objects.filter(pk=old.pk).update(ended_at=timezone.now() - 91 * DAY)
    ended(ordered(enrolled("new.example"), one), failure())
    ordered(enrolled("open.example"), one)
    Backoff.objects.create(name="a.example", authority=one, next_at=timezone.now() - 31 * DAY)
    Backoff.objects.create(name="b.example", authority=one, next_at=timezone.now() - DAY)

    assert certificates_clean() == 2
    assert Order.objects.count() == 2
    assert [row.name for row in Backoff.objects.all()] == ["b.example"]
