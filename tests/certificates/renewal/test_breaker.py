"""The circuit breaker of an authority."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from certificates.renewal.breaker import Breaker, State, failed, succeeded, trying

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def failing(times: int) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker = failed(breaker, now=NOW)
    return breaker


def test_it_opens_after_three_failures_and_then_lets_one_try():
    assert failing(2).state(NOW) == State.CLOSED
    opened = failing(3)
    assert opened.state(NOW) == State.OPEN
    assert opened.state(NOW + MINUTE) == State.HALF_OPEN

    tried = trying(opened, now=NOW + MINUTE)
    assert tried.state(NOW + MINUTE) == State.OPEN  # for everybody else
    assert failed(tried, now=NOW + MINUTE).state(NOW + 2 * MINUTE) == State.OPEN
    assert succeeded().state(NOW) == State.CLOSED


def test_one_that_tries_and_is_lost_does_not_keep_it_shut_for_ever():
    tried = trying(failing(3), now=NOW)

    assert tried.state(NOW + 10 * MINUTE) == State.HALF_OPEN


@given(times=st.integers(3, 200))
def test_it_is_open_for_an_hour_at_most(times):
    assert NOW + MINUTE <= failing(times).open_until <= NOW + HOUR


@given(times=st.integers(2, 20), wait=st.timedeltas(timedelta(0), timedelta(days=3)))
def test_it_stays_open_for_as_long_as_the_authority_asked(times, wait):
    opened = failed(failing(times), now=NOW, wait=wait)

    assert opened.open_until >= NOW + wait
