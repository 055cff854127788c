"""When a certificate is renewed: by shares of its lifetime, whatever that is."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.renewal.policy import (
    ARI_LONGEST,
    ARI_SHORTEST,
    Life,
    Renewal,
    Why,
    Window,
    chosen_point,
    next_question,
    own_time,
    renewal,
)

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
LENGTHS = [timedelta(days=398), timedelta(days=90), timedelta(days=47), timedelta(days=6), timedelta(hours=1)]

lives = st.timedeltas(timedelta(minutes=10), timedelta(days=400)).map(
    lambda length: Life(BEGIN, BEGIN + length)
)
chances = st.floats(0, 1)
fingerprints = st.text("0123456789abcdef", min_size=64, max_size=64)


def life_of(length: timedelta) -> Life:
    return Life(BEGIN, BEGIN + length)


@pytest.mark.parametrize("length", LENGTHS, ids=str)
def test_it_is_renewed_when_about_a_third_is_left_however_long_it_lives(length):
    planned = renewal(life_of(length), fingerprint="aa")

    assert planned.why == Why.THIRD
    assert 1 / 3 <= life_of(length).share_left(planned.at) <= 1 / 3 + 1 / 30 + 1e-9


@pytest.mark.parametrize("length", LENGTHS, ids=str)
def test_an_authority_that_wants_to_wait_too_long_is_not_heard_in_an_emergency(length):
    life = life_of(length)
    planned = renewal(life, fingerprint="aa", wished=life.end - length / 100)

    assert planned.why == Why.EMERGENCY
    assert life.share_left(planned.at) == pytest.approx(1 / 20)


@pytest.mark.parametrize("length", LENGTHS, ids=str)
def test_an_authority_that_revokes_tomorrow_is_heard_at_once(length):
    life = life_of(length)
    wished = life.begin + length / 50

    assert renewal(life, fingerprint="aa", wished=wished) == Renewal(wished, Why.ARI)
    assert renewal(life, fingerprint="aa").at > wished


@given(life=lives, fingerprint=fingerprints, share=st.floats(-1, 2))
def test_it_is_never_renewed_later_than_in_the_emergency_whatever_the_authority_wishes(
    life, fingerprint, share
):
    planned = renewal(life, fingerprint=fingerprint, wished=life.begin + life.length * share)

    assert planned.at <= life.at_share(1 / 20)


@given(life=lives, fingerprint=fingerprints)
def test_its_own_time_never_moves(life, fingerprint):
    assert own_time(life, fingerprint) == own_time(life, fingerprint)


def test_renewals_of_certificates_of_one_day_are_spread_evenly():
    life = life_of(timedelta(days=90))
    times = [own_time(life, f"{number:064x}") for number in range(1_000)]
    first, last = min(times), max(times)

    assert timedelta(days=2.9) < last - first <= timedelta(days=3)
    tenth = (last - first) / 10
    counts = [sum(first + tenth * n <= at < first + tenth * (n + 1) for at in times) for n in range(10)]
    assert min(counts) > 60


@given(
    start=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    length=st.timedeltas(timedelta(seconds=1), timedelta(days=30)),
    chance=chances,
)
def test_the_point_lies_in_the_window(start, length, chance):
    point = chosen_point(Window(start, start + length), chance=chance)

    assert point is not None and start <= point <= start + length


@given(chance=chances)
def test_a_window_that_ends_before_it_begins_is_none(chance):
    assert chosen_point(Window(BEGIN, BEGIN), chance=chance) is None
    assert chosen_point(Window(BEGIN, BEGIN - timedelta(days=1)), chance=chance) is None


@given(life=lives, wait=st.none() | st.timedeltas(timedelta(days=-9), timedelta(days=900)))
def test_the_authority_is_asked_neither_too_often_nor_too_rarely(life, wait):
    ahead = next_question(life, now=BEGIN, wait=wait) - BEGIN

    assert ARI_SHORTEST <= ahead <= ARI_LONGEST
    assert ahead <= max(ARI_SHORTEST, life.length / 20 + timedelta(microseconds=1))


def test_the_authority_says_when_to_ask_again():
    life = life_of(timedelta(days=90))

    assert next_question(life, now=BEGIN) == BEGIN + timedelta(hours=6)
    assert next_question(life, now=BEGIN, wait=timedelta(hours=2)) == BEGIN + timedelta(hours=2)
