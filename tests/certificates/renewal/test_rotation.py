"""Session ticket keys over days, as a clock that ticks sees them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from certificates.renewal.rotation import AHEAD, KEPT, rotation

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def test_the_first_key_encrypts_at_once():
    assert rotation([], now=NOW).begins == (NOW,)
    assert rotation([NOW], now=NOW).begins == ()


def test_the_next_one_is_there_an_hour_before_it_encrypts():
    assert rotation([NOW], now=NOW + 7 * HOUR - MINUTE).begins == ()
    assert rotation([NOW], now=NOW + 7 * HOUR).begins == (NOW + 8 * HOUR,)
    assert rotation([NOW, NOW + 8 * HOUR], now=NOW + 7 * HOUR).begins == ()


def test_after_a_pause_of_days_a_key_encrypts_at_once():
    found = rotation([NOW], now=NOW + 100 * HOUR)

    assert found.begins == (NOW + 100 * HOUR,)
    assert found.forget == (0,)


@given(st.lists(st.timedeltas(MINUTE, timedelta(hours=30)), min_size=1, max_size=40))
def test_however_the_clock_ticks_some_key_encrypts_and_all_edges_have_had_time_to_get_it(ticks):
    now, keys = NOW, []
    for tick in ticks:
        now += tick
        found = rotation([begin for _, begin in keys], now=now)
        kept = [key for place, key in enumerate(keys) if place not in found.forget]
        keys = kept + [(now, begin) for begin in found.begins]
        begun = [begin for _, begin in keys if begin <= now]
        assert begun, "no key encrypts"
        for made, begin in keys:
            # One that begins at once is made only where there was none to encrypt with.
            assert begin >= made + AHEAD or begin == made
        assert len(keys) <= 5
        assert all(begin + KEPT > now or begin == max(begun) for _, begin in keys)
        assert rotation([begin for _, begin in keys], now=now).begins == ()
