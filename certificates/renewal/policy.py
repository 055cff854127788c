"""When a certificate is to be renewed. Pure: takes times and returns times.

    time ───────────────────────────────────────────────────────────────────►
    not before        a point of the authority's window (ARI),   1/20 left    not after
                      else 1/3 left, less the certificate's       emergency
                      own jitter

The authority's wish (RFC 9773) comes before ours, but never after the emergency: whatever it says then,
the certificate is renewed.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

#: Shares of the lifetime.
RENEW, EMERGENCY = 1 / 3, 1 / 20
#: Renewals of one day are spread over this share of the lifetime, before `RENEW` is reached.
SPREAD = 1 / 30

#: RFC 9773 section 4.3: how often an authority is asked, where it does not say it or says something odd.
ARI_PAUSE, ARI_SHORTEST, ARI_LONGEST = timedelta(hours=6), timedelta(minutes=1), timedelta(days=1)
#: Nor are there fewer questions in a life than this, however short it is.
ARI_SHARE = 1 / 20


@dataclass(frozen=True)
class Life:
    """From when until when a certificate is valid; both aware, the second one later."""

    begin: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """The lifetime."""
        return self.end - self.begin

    def left(self, now: datetime) -> timedelta:
        """What is left of it; negative after its end."""
        return self.end - now

    def share_left(self, now: datetime) -> float:
        """The same as a share of the lifetime: 1 at its beginning, 0 at its end, then negative."""
        return self.left(now) / self.length

    def at_share(self, share: float) -> datetime:
        """When this share of it is left."""
        return self.end - self.length * share


@dataclass(frozen=True)
class Window:
    """When an authority would like a certificate to be renewed (RFC 9773 section 4.2)."""

    start: datetime
    end: datetime


class Why(StrEnum):
    """What a planned renewal follows from."""

    ARI = "the authority asked for it"
    THIRD = "a third of its lifetime is left"
    EMERGENCY = "a twentieth of its lifetime is left"


@dataclass(frozen=True)
class Renewal:
    """When a certificate is renewed, and why then."""

    at: datetime
    why: Why


def renewal(life: Life, *, fingerprint: str, wished: datetime | None = None) -> Renewal:
    """When to renew: the point `wished` by the authority, else our own; never after the emergency."""
    emergency = life.at_share(EMERGENCY)
    planned = Renewal(wished, Why.ARI) if wished else Renewal(own_time(life, fingerprint), Why.THIRD)
    return planned if planned.at <= emergency else Renewal(emergency, Why.EMERGENCY)


def own_time(life: Life, fingerprint: str) -> datetime:
    """When a third is left, less this certificate's jitter: always the same, however often one asks."""
    return life.at_share(RENEW + SPREAD * fraction(fingerprint))


def fraction(text: str) -> float:
    """A number from 0 to 1 (excluded) that this text always has, evenly spread over texts."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def chosen_point(window: Window, *, chance: float) -> datetime | None:
    """The point of the window that `chance` (0 to 1) stands for; None where it is no window.

    It is chosen once and stored: one chosen anew at each look would move towards the window's beginning.
    """
    if window.end <= window.start:
        return None
    return window.start + (window.end - window.start) * chance


def next_question(life: Life, *, now: datetime, wait: timedelta | None = None) -> datetime:
    """When to ask for the window again, where the authority asked to `wait` so long (None: it did not)."""
    longest = max(ARI_SHORTEST, min(ARI_LONGEST, life.length * ARI_SHARE))
    return now + min(longest, max(ARI_SHORTEST, ARI_PAUSE if wait is None else wait))
