"""What a domain's certificate needs, and when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from certificates.renewal.plan import NEVER, Held, Situation, plan
from certificates.renewal.policy import Life

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FRESH = Held("aa", Life(NOW - DAY, NOW + 89 * DAY), ("a.test",), NOW - DAY)
WELL = Situation(["a.test"], held=FRESH, newest=FRESH)


def test_what_is_well_waits_for_its_third():
    planned = plan(WELL, now=NOW)

    assert NOW + 55 * DAY < planned.at < NOW + 60 * DAY
    assert not planned.urgent


def test_what_is_missed_is_ordered_at_once():
    assert plan(Situation(["a.test"]), now=NOW).why == "it has no certificate yet"
    assert plan(replace(WELL, wanted=["a.test", "b.test"]), now=NOW).why == "the certificate lacks b.test"
    assert plan(Situation(["a.test"], asked_at=NOW), now=NOW).why == "it has no certificate yet"
    assert plan(replace(WELL, held=None, revoked=True), now=NOW).why == "the certificate was revoked"
    assert plan(replace(WELL, asked_at=NOW), now=NOW).why == "somebody asked for it"
    for missed in (Situation(["a.test"]), replace(WELL, wanted=["b.test"]), replace(WELL, asked_at=NOW)):
        assert plan(missed, now=NOW).at == NOW
        assert plan(missed, now=NOW).urgent


def test_another_for_one_that_was_revoked_is_ordered_only_where_somebody_wants_it():
    forgone = replace(WELL, held=None, revoked=True, forgone=True)
    assert plan(forgone, now=NOW).at == NEVER
    assert not plan(forgone, now=NOW).urgent
    assert plan(replace(forgone, wanted=["b.test"]), now=NOW).at == NEVER
    assert plan(replace(forgone, asked_at=NOW), now=NOW).at == NOW


def test_a_name_that_went_is_no_hurry():
    both = replace(FRESH, names=("a.test", "b.test"))

    assert plan(replace(WELL, held=both, newest=both), now=NOW).at > NOW + 50 * DAY


def test_a_failure_holds_it_back():
    assert plan(Situation(["a.test"], free_at=NOW + HOUR), now=NOW).at == NOW + HOUR


def test_what_was_issued_and_is_not_in_use_is_not_ordered_again_and_again():
    old = Held("aa", Life(NOW - 80 * DAY, NOW + 10 * DAY), ("a.test",), NOW - 80 * DAY)
    newest = Held("bb", Life(NOW, NOW + 90 * DAY), ("a.test",), NOW, in_use=False)
    stuck = Situation(["a.test"], held=old, newest=newest)

    assert plan(stuck, now=NOW).at == NOW + 4.5 * DAY
    assert plan(replace(stuck, held=None), now=NOW).at == NOW + 4.5 * DAY
    assert plan(replace(stuck, asked_at=NOW), now=NOW).at == NOW  # unless somebody insists


def test_an_authority_that_always_wishes_to_renew_now_is_not_asked_without_end():
    now = replace(FRESH, issued_at=NOW)
    planned = plan(replace(WELL, held=now, newest=now, wished=NOW - DAY), now=NOW)

    assert planned.at == NOW + 1.5 * DAY
    assert plan(replace(WELL, wished=NOW + 9 * DAY), now=NOW).at == NOW + 9 * DAY


@given(wished=st.none() | st.timedeltas(-90 * DAY, 900 * DAY), free=st.none() | st.timedeltas(-DAY, DAY))
def test_nothing_but_a_failure_moves_it_behind_the_emergency(wished, free):
    moment = NOW + wished if wished is not None else None
    held_back = NOW + free if free is not None else None
    planned = plan(replace(WELL, wished=moment, free_at=held_back), now=NOW)

    assert planned.at <= max(FRESH.life.at_share(1 / 20), held_back or NOW)
