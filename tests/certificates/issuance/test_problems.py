"""Problem documents become failures that an operator can act on."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.issuance.outcomes import FailureKind
from certificates.issuance.problems import PREFIX, failure, parse_retry_after

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def problem(code, detail="", **more):
    return {"type": PREFIX + code, "detail": detail, **more}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("rateLimited", FailureKind.RATE_LIMITED),
        ("rejectedIdentifier", FailureKind.REJECTED_IDENTIFIER),
        ("caa", FailureKind.CAA),
        ("dns", FailureKind.DNS),
        ("connection", FailureKind.CONNECTION),
        ("incorrectResponse", FailureKind.UNAUTHORIZED),
        ("externalAccountRequired", FailureKind.ACCOUNT),
        ("serverInternal", FailureKind.CA_DOWN),
        ("badCSR", FailureKind.MALFORMED),
        ("somethingNew", FailureKind.MALFORMED),
    ],
)
def test_each_kind_of_error_is_told_apart(code, kind):
    failed = failure(problem(code, "Because."), authority="Example CA", names=["a.example"])
    assert failed.kind == kind
    assert failed.sentence.startswith("Example CA ") or "Example CA" in failed.sentence
    assert failed.sentence.endswith("“Because”.")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, FailureKind.RATE_LIMITED),
        (503, FailureKind.CA_DOWN),
        (404, FailureKind.ORDER_LOST),
        (400, FailureKind.MALFORMED),
    ],
)
def test_without_a_type_the_status_decides(status, kind):
    assert failure({}, authority="CA", status=status).kind == kind


def test_the_parts_of_a_compound_problem_say_which_names_it_is_about():
    document = problem(
        "compound",
        "Several.",
        subproblems=[
            problem("caa", "No.", identifier={"type": "dns", "value": "b.example"}),
            problem("caa", "No.", identifier={"type": "dns", "value": "c.example"}),
        ],
    )
    failed = failure(document, authority="CA", names=["a.example", "b.example", "c.example"])
    assert failed.kind == FailureKind.CAA
    assert failed.names == ("b.example", "c.example")
    assert "b.example, c.example" in failed.sentence


def test_what_an_account_may_not_do_is_not_blamed_on_the_names():
    document = problem("unauthorized", "Account is deactivated")
    assert failure(document, authority="CA").kind == FailureKind.UNAUTHORIZED
    assert failure(document, authority="CA", validating=False).kind == FailureKind.ACCOUNT


@given(
    st.dictionaries(
        st.sampled_from(["type", "detail", "title", "status", "identifier", "subproblems"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=30),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["type", "value", "detail", "identifier"]), inner, max_size=3
                )
            ),
            max_leaves=8,
        ),
    ),
    st.integers(0, 599),
)
def test_whatever_an_authority_says_is_a_failure_with_a_sentence(document, status):
    failed = failure(document, authority="CA", names=["a.example"], status=status)
    assert "CA" in failed.sentence
    assert failed.sentence.endswith(".")
    assert len(failed.sentence) < 1_000


def test_a_key_authorization_that_an_authority_quotes_is_not_kept():
    shown = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
    document = problem("unauthorized", f"The file did not match. Expected “{shown}” (got “x”)")
    failed = failure(document, authority="CA", names=["a.example"])
    assert shown not in str(failed)
    assert "Expected “(key authorization)” (got “x”)" in failed.sentence


def test_retry_after_is_seconds_or_a_date_and_never_endless():
    assert parse_retry_after("120", now=NOW) == NOW + timedelta(seconds=120)
    assert parse_retry_after("Tue, 24 Nov 2026 13:00:00 GMT", now=NOW) == NOW + timedelta(hours=1)
    assert parse_retry_after("Mon, 01 Jan 2001 00:00:00 GMT", now=NOW) == NOW
    assert parse_retry_after("99999999999999", now=NOW) == NOW + timedelta(days=31)


@given(st.text(max_size=40) | st.none())
def test_a_retry_after_without_sense_is_none(text):
    moment = parse_retry_after(text, now=NOW)
    assert moment is None or NOW <= moment <= NOW + timedelta(days=31)
