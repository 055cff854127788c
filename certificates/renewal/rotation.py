"""Session ticket keys (RFC 5077): which one is made when, and which one is forgotten. Pure.

    new key     ├─ published ─┤├───── encrypts 8 h ─────┤├──── opens only ────┤ 24 h after it began: forgotten
                     1 h

Edges have a key an hour before any of them uses it, so that each can open what another has sealed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

ACTIVE, AHEAD, KEPT = timedelta(hours=8), timedelta(hours=1), timedelta(hours=24)


@dataclass(frozen=True)
class Rotation:
    """What is to be done: `begins` are the times from which new keys encrypt, `forget` places of old ones."""

    begins: tuple[datetime, ...] = ()
    forget: tuple[int, ...] = ()


def rotation(active_from: Sequence[datetime], *, now: datetime) -> Rotation:
    """What the keys with these times need now; the times in any order.

    Where none encrypts now (the first, or after a long pause), one that does at once is made.
    """
    begun = [begin for begin in active_from if begin <= now]
    newest = max(active_from, default=None)
    begins: list[datetime] = []
    if not begun or max(begun) <= now - KEPT:
        begins.append(now)
        newest = max(newest or now, now)
    if newest is not None and newest <= now and newest + ACTIVE - AHEAD <= now:
        begins.append(max(newest + ACTIVE, now + AHEAD))
    encrypts = max([*begun, *(begin for begin in begins if begin <= now)])
    old = (place for place, begin in enumerate(active_from) if begin < encrypts and begin + KEPT <= now)
    return Rotation(tuple(begins), tuple(old))
