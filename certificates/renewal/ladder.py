"""How loudly to say that a certificate is in danger, by the share of its life that is left. Pure.

left       1/3        3/10        1/5        1/20       0
           renewal    warning     warning    critical   critical
                      if failing  anyway                (it has ended)
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from certificates.renewal.backoff import has_given_up
from certificates.renewal.policy import EMERGENCY, RENEW, SPREAD, Life

#: Shares of the lifetime.
FAILING, LATE = RENEW - SPREAD, 1 / 5

#: A renewal that has failed for this share of the lifetime, however much is left: something is in its way.
LASTING = 1 / 60
#: A first certificate that has failed so often is worth a look, and after so long more than that.
ATTEMPTS, IMPATIENCE = 3, timedelta(days=1)
#: So long one that was revoked may be served while another one is coming.
REPLACING = timedelta(minutes=5)


class Rung(IntEnum):
    """What is wrong, the worse the higher."""

    WELL = 0
    FAILING = 1  # renewals fail, and there is time
    LATE = 2  # it should have been renewed long ago
    URGENT = 3  # it ends soon
    REVOKED = 4  # and it is served nevertheless
    ENDED = 5
    MISSING = 6  # there has never been one, and it is not coming

    @property
    def critical(self) -> bool:
        """Whether somebody should get up for it."""
        return self >= Rung.URGENT


@dataclass(frozen=True)
class Trouble:
    """What has failed so far: attempts in a row, and since when (None: nothing has)."""

    attempts: int = 0
    since: datetime | None = None


def is_overdue(revoked_at: datetime | None, *, coming: bool, now: datetime) -> bool:
    """Whether the certificate that is served was revoked, and another one should be there: at once where none
    is coming, else after a while."""
    return revoked_at is not None and not (coming and now - revoked_at < REPLACING)


def rung(life: Life | None, trouble: Trouble, *, now: datetime, revoked: bool = False) -> Rung:
    """Where a certificate stands. `life` is None where none has been issued yet. `revoked`: `is_overdue`."""
    if life is None:
        return _first(trouble, now)
    left = life.share_left(now)
    if left <= 0:
        return Rung.ENDED
    if revoked:
        return Rung.REVOKED
    if left < EMERGENCY:
        return Rung.URGENT
    if left < LATE:
        return Rung.LATE
    lasting = trouble.since is not None and now - trouble.since >= life.length * LASTING
    failing = trouble.attempts > 0 and (left < FAILING or lasting)
    return Rung.FAILING if failing or has_given_up(now=now, first_failed_at=trouble.since) else Rung.WELL


def _first(trouble: Trouble, now: datetime) -> Rung:
    if trouble.since is not None and now - trouble.since >= IMPATIENCE:
        return Rung.MISSING
    return Rung.FAILING if trouble.attempts >= ATTEMPTS else Rung.WELL
