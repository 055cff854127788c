"""What a failed order says about whom."""

import pytest

from certificates.issuance.outcomes import FailureKind
from certificates.renewal.blame import Blame, blame, names_in


@pytest.mark.parametrize(
    ("kind", "with_whom"),
    [
        (FailureKind.CA_DOWN, Blame.AUTHORITY),
        (FailureKind.RATE_LIMITED, Blame.AUTHORITY),
        (FailureKind.ACCOUNT, Blame.AUTHORITY),
        (FailureKind.CAA, Blame.NAMES_THERE),
        (FailureKind.REJECTED_IDENTIFIER, Blame.NAMES_THERE),
        (FailureKind.UNAUTHORIZED, Blame.NAMES),
        (FailureKind.CONNECTION, Blame.NAMES),
        (FailureKind.DNS, Blame.NAMES),
        (FailureKind.NOT_SEEN, Blame.OURSELVES),
        (FailureKind.CHALLENGE, Blame.OURSELVES),
    ],
)
def test_each_failure_lies_with_somebody(kind, with_whom):
    assert blame(kind) == with_whom


def test_a_problem_names_those_it_is_about():
    of = {"identifier": {"type": "dns", "value": "a.test"}}

    assert names_in(of) == ["a.test"]
    assert names_in({"type": "compound", "subproblems": [of, {"identifier": {"value": "b.test"}}, of]}) == [
        "a.test",
        "b.test",
    ]
    assert names_in({"type": "rateLimited", "detail": "a.test"}) == []
