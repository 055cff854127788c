"""How long to wait after a failure. Pure.

A minute after the first one, twice as long after each other, six hours at most; after thirty days of
failures once a day. Never so long that a certificate could end without being tried often.
"""

from datetime import datetime, timedelta

FIRST, LONGEST = timedelta(minutes=1), timedelta(hours=6)
#: For so long a failing name is tried as above; then once every `DAILY`.
PATIENCE, DAILY = timedelta(days=30), timedelta(days=1)
#: A pause is at most this share of what is left of the certificate, or of its lifetime once it has ended.
SHARE = 1 / 10
#: Pauses are up to this share longer, so that what failed together is not tried together again.
JITTER = 1 / 10


def pause(failures: int) -> timedelta:
    """The pause after so many failures in a row (at least 1)."""
    return min(LONGEST, FIRST * 2 ** min(max(failures, 1) - 1, 20))


def next_attempt(
    *,
    now: datetime,
    failures: int,
    first_failed_at: datetime,
    left: timedelta | None = None,
    lifetime: timedelta | None = None,
    wait: timedelta | None = None,
    chance: float = 0.0,
) -> datetime:
    """When to try again after a failure just now.

    `left`, `lifetime`: of the certificate that is to be replaced, if there is one. `wait`: what the authority
    asked for (`Retry-After`); it is always kept. `chance`: 0 to 1, the jitter.
    """
    length = DAILY if has_given_up(now=now, first_failed_at=first_failed_at) else pause(failures)
    if left is not None and lifetime is not None:
        share = left * SHARE if left > timedelta() else lifetime * SHARE / 2
        length = min(length, max(FIRST, share))
    return now + max(length * (1 + JITTER * chance), wait or timedelta())


def has_given_up(*, now: datetime, first_failed_at: datetime | None) -> bool:
    """Whether it has failed for so long that somebody must look at it."""
    return first_failed_at is not None and now - first_failed_at >= PATIENCE
