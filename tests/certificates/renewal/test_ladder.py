"""How loudly a certificate in danger is spoken of."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.renewal.ladder import Rung, Trouble, is_overdue, rung
from certificates.renewal.policy import Life

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
FAILED = Trouble(attempts=4, since=NOW)
LENGTHS = [90 * DAY, 47 * DAY, 6 * DAY, timedelta(hours=1)]


def with_left(share: float, length: timedelta = 90 * DAY) -> Life:
    return Life(NOW - length * (1 - share), NOW + length * share)


@pytest.mark.parametrize("length", LENGTHS, ids=str)
@pytest.mark.parametrize(
    ("left", "failing", "quiet"),
    [
        (0.9, Rung.WELL, Rung.WELL),
        (0.32, Rung.WELL, Rung.WELL),  # it has just begun to fail, and there is time
        (0.28, Rung.FAILING, Rung.WELL),
        (0.19, Rung.LATE, Rung.LATE),
        (0.04, Rung.URGENT, Rung.URGENT),
        (-0.01, Rung.ENDED, Rung.ENDED),
    ],
)
def test_the_ladder_is_climbed_by_shares_of_the_lifetime(length, left, failing, quiet):
    life = with_left(left, length)

    assert rung(life, FAILED, now=NOW) == failing
    assert rung(life, Trouble(), now=NOW) == quiet


@pytest.mark.parametrize("length", LENGTHS, ids=str)
def test_a_failure_that_lasts_is_said_while_there_is_time(length):
    assert rung(with_left(0.9, length), Trouble(9, NOW - length / 50), now=NOW) == Rung.FAILING
    assert rung(with_left(0.9, length), Trouble(9, NOW - length / 100), now=NOW) == Rung.WELL


def test_after_thirty_days_of_failures_it_is_said_whatever_is_left():
    assert rung(with_left(0.9), Trouble(90, NOW - 30 * DAY), now=NOW) == Rung.FAILING


def test_a_first_certificate_that_does_not_come_is_spoken_of_soon():
    assert rung(None, Trouble(2, NOW), now=NOW) == Rung.WELL
    assert rung(None, Trouble(3, NOW), now=NOW) == Rung.FAILING
    assert rung(None, Trouble(9, NOW - DAY), now=NOW) == Rung.MISSING


def test_only_what_ends_soon_or_was_revoked_is_worth_getting_up_for():
    loud = [Rung.URGENT, Rung.REVOKED, Rung.ENDED, Rung.MISSING]
    assert [step for step in Rung if step.critical] == loud


def test_one_that_was_revoked_is_spoken_of_at_once_unless_another_is_coming():
    minute = timedelta(minutes=1)
    assert is_overdue(NOW, coming=False, now=NOW)
    assert not is_overdue(NOW - 4 * minute, coming=True, now=NOW)
    assert is_overdue(NOW - 5 * minute, coming=True, now=NOW)
    assert not is_overdue(None, coming=False, now=NOW)
    assert rung(with_left(0.9), Trouble(), now=NOW, revoked=True) == Rung.REVOKED
    assert rung(with_left(-0.1), Trouble(), now=NOW, revoked=True) == Rung.ENDED


@given(st.floats(-2, 1), st.floats(-2, 1), st.integers(0, 9))
def test_less_time_is_never_less_trouble(one, other, attempts):
    trouble = Trouble(attempts, NOW if attempts else None)
    less, more = sorted([one, other])

    assert rung(with_left(less), trouble, now=NOW) >= rung(with_left(more), trouble, now=NOW)
