"""What a failed order says about whom. Pure.

                  the next authority   the names wait     the names are        the authority is
                  at once              everywhere         held against there   doubted
the authority     yes                  no                 no                   yes
the names there   yes                  no                 yes, a whole turn    no
the names         no                   yes                yes                  no
ourselves         no                   yes                no                   no
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from certificates.issuance.outcomes import AUTHORITY_FAILURES, FailureKind


class Blame(Enum):
    """With whom a failure lies."""

    AUTHORITY = "the authority"
    NAMES_THERE = "the names at this authority"
    NAMES = "the names"
    OURSELVES = "ourselves"


#: This authority does not issue for them, or not to us; another one may.
THERE = frozenset({FailureKind.REJECTED_IDENTIFIER, FailureKind.CAA, FailureKind.MALFORMED})
#: No authority was asked, or it has not judged.
OURS = frozenset({FailureKind.CHALLENGE, FailureKind.NOT_SEEN, FailureKind.ORDER_LOST})


def blame(kind: FailureKind) -> Blame:
    """With whom a failure of this kind lies."""
    if kind in AUTHORITY_FAILURES:
        return Blame.AUTHORITY
    if kind in THERE:
        return Blame.NAMES_THERE
    return Blame.OURSELVES if kind in OURS else Blame.NAMES


def names_in(problem: Mapping[str, Any]) -> list[str]:
    """The names that a problem document is about by its own word (RFC 8555 section 6.7.1)."""
    identifier = problem.get("identifier")
    found = [str(identifier["value"])] if isinstance(identifier, Mapping) and "value" in identifier else []
    for part in problem.get("subproblems", []):
        found += names_in(part)
    return sorted(set(found))
