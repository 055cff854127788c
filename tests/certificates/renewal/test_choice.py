"""Which authority is asked, and whether its staging is."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from certificates.renewal.choice import Candidate, Choice, Later, choose

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def chosen(*candidates: Candidate, names: int = 1) -> Choice | Later:
    return choose(candidates, names=names, now=NOW)


def test_the_first_one_is_asked():
    assert chosen(Candidate("one"), Candidate("two")) == Choice("one", staging=False)


def test_one_that_must_be_left_alone_is_passed_over():
    assert chosen(Candidate("one", free_at=NOW + HOUR), Candidate("two")) == Choice("two", staging=False)


def test_where_all_must_be_left_alone_the_first_to_be_free_says_when():
    waiting = chosen(Candidate("one", free_at=NOW + 2 * HOUR), Candidate("two", free_at=NOW + HOUR))

    assert waiting == Later(NOW + HOUR)


def test_after_a_failure_its_staging_is_asked_until_that_has_issued():
    failed = Candidate("one", failures=1, has_staging=True, free_at=NOW + HOUR)
    assert chosen(failed) == Choice("one", staging=True)
    assert chosen(Candidate("one", failures=1, has_staging=True, proven=True)) == Choice("one", staging=False)
    assert chosen(Candidate("one", failures=1)) == Choice("one", staging=False)


def test_after_three_failures_the_next_one_is_preferred_and_they_take_turns():
    assert chosen(Candidate("one", failures=2), Candidate("two")) == Choice("one", staging=False)
    assert chosen(Candidate("one", failures=3), Candidate("two")) == Choice("two", staging=False)
    assert chosen(Candidate("one", failures=3), Candidate("two", failures=3)) == Choice("one", staging=False)


def test_one_that_takes_fewer_names_is_never_asked():
    assert chosen(Candidate("small", takes=10), Candidate("large", takes=100), names=11) == Choice(
        "large", staging=False
    )
    assert chosen(Candidate("small", takes=10), names=11) == Later(None)
    assert chosen() == Later(None)


def moments():
    return st.none() | st.timedeltas(-HOUR, HOUR).map(lambda ahead: NOW + ahead)


@given(
    st.lists(
        st.builds(
            Candidate,
            st.text("abc", min_size=1),
            moments(),
            st.integers(0, 9),
            st.booleans(),
            st.booleans(),
            moments(),
            st.integers(1, 5),
        ),
        max_size=5,
        unique_by=lambda item: item.name,
    ),
    st.integers(1, 5),
)
def test_nobody_is_asked_who_must_be_left_alone_and_production_only_after_its_staging(candidates, names):
    found = chosen(*candidates, names=names)
    if isinstance(found, Later):
        assert found.at is None or found.at > NOW
        return
    (item,) = (item for item in candidates if item.name == found.name)
    free_at = item.staging_free_at if found.staging else item.free_at
    assert item.takes >= names
    assert free_at is None or free_at <= NOW
    assert found.staging or not item.has_staging or not item.failures or item.proven
