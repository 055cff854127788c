"""Session ticket keys in the database."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.sealing import open_sealed
from certificates.models import TicketKey
from certificates.services.tickets import ticket_keys_rotate
from tests.factories import DomainFactory

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def test_there_is_none_as_long_as_nobody_serves_https():
    DomainFactory()

    assert ticket_keys_rotate() == 0


def test_over_three_days_there_is_always_one_that_encrypts_and_few_others():
    DomainFactory(tls=True)
    start = timezone.now()
    for tick in range(0, 72 * 6):
        now = start + tick * HOUR / 6
        ticket_keys_rotate(now=now)
        keys = list(TicketKey.objects.all())
        assert any(key.active_from <= now for key in keys)
        assert len(keys) <= 4
    assert TicketKey.objects.order_by("active_from").first().active_from > start + 40 * HOUR


def test_running_twice_makes_one():
    DomainFactory(tls=True)
    now = timezone.now()

    assert ticket_keys_rotate(now=now) == 1
    assert ticket_keys_rotate(now=now) == 0


def test_a_key_is_random_and_sealed_for_the_edges():
    DomainFactory(tls=True)
    ticket_keys_rotate()
    ticket_keys_rotate(now=timezone.now() + 7 * HOUR)
    one, two = (
        open_sealed(key.key, record=f"tickets:{key.label}", ring="edges") for key in TicketKey.objects.all()
    )

    assert len(one) == len(two) == 80
    assert one != two
