"""Which authority is asked next, and whether its staging is asked first. Pure.

Authorities are asked in their order. One that has failed a name often stands behind the next one; one that
must be left alone for now (its breaker, its `Retry-After`, the back-off of a name there) is passed over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

#: After so many failures of the names at an authority the next one is preferred, and so on in turn.
TURN = 3


@dataclass(frozen=True)
class Candidate:
    """An authority as seen from one set of names, in the operator's order.

    `free_at`: until when it must be left alone (None: it need not be). `failures`: of these names there, for
    reasons that lie with the names. `has_staging`, `proven`: whether it has a staging, and whether that has
    issued since the last failure. `takes`: the most names of one certificate.
    """

    name: str
    free_at: datetime | None = None
    failures: int = 0
    has_staging: bool = False
    proven: bool = False
    staging_free_at: datetime | None = None
    takes: int = 100


@dataclass(frozen=True)
class Choice:
    """The authority to ask, at once."""

    name: str
    staging: bool


@dataclass(frozen=True)
class Later:
    """Nobody may be asked before `at`; None: nobody takes these names at all."""

    at: datetime | None


def choose(candidates: Sequence[Candidate], *, names: int, now: datetime) -> Choice | Later:
    """Whom to ask now for a certificate of so many names, or when somebody may be asked."""
    able = sorted(
        (item for item in candidates if names <= item.takes), key=lambda item: item.failures // TURN
    )
    for item in able:
        if _free_at(item, now) <= now:
            return Choice(item.name, staging=_in_staging(item))
    return Later(min((_free_at(item, now) for item in able), default=None))


def _in_staging(item: Candidate) -> bool:
    return item.has_staging and item.failures > 0 and not item.proven


def _free_at(item: Candidate, now: datetime) -> datetime:
    # Its staging may be asked while production is to be left alone: that is what a staging is for.
    found = item.staging_free_at if _in_staging(item) else item.free_at
    return found or now
