"""A circuit breaker for an authority. Pure.

Failures that are the authority's own, of different names and without a success in between, open it: nobody
asks it for a while, and the next authority is asked instead. After that one order may try it (half-open).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from certificates.renewal.backoff import pause

#: So many failures open it.
OPENS_AFTER = 3
#: It stays open for so long at most.
LONGEST = timedelta(hours=1)
#: For so long one order that tries a half-open one keeps others away.
TRIAL = timedelta(minutes=5)


class State(StrEnum):
    """Whether orders may be sent: all, none, or one that tries."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True)
class Breaker:
    """`failures`: since the last success. `open_until`: None as long as there are too few."""

    failures: int = 0
    open_until: datetime | None = None

    def state(self, now: datetime) -> State:
        """What holds now."""
        if self.open_until is None:
            return State.CLOSED
        return State.OPEN if now < self.open_until else State.HALF_OPEN


def failed(breaker: Breaker, *, now: datetime, wait: timedelta | None = None) -> Breaker:
    """After one more failure of the authority. `wait`: for how long it asked to be left alone."""
    failures = breaker.failures + 1
    if failures < OPENS_AFTER:
        return Breaker(failures)
    length = max(min(LONGEST, pause(failures - OPENS_AFTER + 1)), wait or timedelta())
    return Breaker(failures, max(now + length, breaker.open_until or now))


def trying(breaker: Breaker, *, now: datetime) -> Breaker:
    """While one order tries it: open for all others, who need not wait for ever if that one is lost."""
    return Breaker(breaker.failures, now + TRIAL)


def succeeded() -> Breaker:
    """After a success."""
    return Breaker()
