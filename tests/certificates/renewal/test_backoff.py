"""How long to wait after a failure."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.renewal.backoff import has_given_up, next_attempt, pause

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def after(failures: int = 1, **more) -> timedelta:
    return next_attempt(**{"now": NOW, "failures": failures, "first_failed_at": NOW} | more) - NOW


def test_pauses_grow_from_a_minute_to_six_hours():
    assert [after(failures) / MINUTE for failures in range(1, 12)] == [
        *(1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360),
    ]


def test_after_thirty_days_it_is_tried_once_a_day():
    assert after(99, first_failed_at=NOW - 30 * DAY + MINUTE) == 6 * HOUR
    assert after(99, first_failed_at=NOW - 30 * DAY) == DAY
    assert has_given_up(now=NOW, first_failed_at=NOW - 30 * DAY)
    assert not has_given_up(now=NOW, first_failed_at=None)


@pytest.mark.parametrize("length", [90 * DAY, 47 * DAY, 6 * DAY, HOUR], ids=str)
def test_a_certificate_is_tried_many_times_before_it_ends(length):
    now, end, attempts = NOW, NOW + length / 3, 0
    while now < end:
        attempts += 1
        now = next_attempt(
            now=now, failures=attempts, first_failed_at=NOW, left=end - now, lifetime=length, chance=1.0
        )
    assert attempts >= 10


@given(failures=st.integers(1, 10_000), wait=st.timedeltas(timedelta(0), timedelta(days=60)))
def test_what_the_authority_asks_for_is_always_kept(failures, wait):
    assert after(failures, wait=wait, left=HOUR, lifetime=HOUR) >= wait


@given(failures=st.integers(-3, 10_000), chance=st.floats(0, 1))
def test_a_pause_is_never_shorter_than_a_minute_nor_longer_than_six_hours_and_the_jitter(failures, chance):
    assert MINUTE <= after(failures, chance=chance) <= 6 * HOUR * 1.1


@given(failures=st.integers(1, 1_000))
def test_pauses_never_shrink(failures):
    assert pause(failures) <= pause(failures + 1)


@given(left=st.timedeltas(timedelta(days=-400), timedelta(days=30)))
def test_an_ended_certificate_is_tried_at_a_share_of_its_life(left):
    assert after(99, left=left, lifetime=90 * DAY) <= max(MINUTE, 6 * HOUR)
    assert after(99, left=-DAY, lifetime=HOUR) == 3 * MINUTE
