"""What a domain's certificate needs, and when. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from certificates.renewal.names import missing
from certificates.renewal.policy import EMERGENCY, Life, Renewal, Why, renewal

#: A certificate that was issued and is not in use keeps another from being ordered for this share of its
#: lifetime: what is amiss with its deployment would be amiss with the next one too.
SETTLING = 1 / 20
#: So long a new certificate is left alone whatever the authority wishes, as a share of its lifetime: one that
#: wishes to renew at once whatever it has issued would be asked without end.
RESTING = 1 / 60
#: When what nobody wants is ordered.
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Held:
    """A real certificate that a domain has. `in_use`: the edges serve it, or are being given it."""

    fingerprint: str
    life: Life
    names: tuple[str, ...]
    issued_at: datetime
    in_use: bool = True


@dataclass(frozen=True)
class Situation:
    """`wanted`: the domain's names. `held`: the certificate that counts, and `newest` the one issued last.

    `revoked`: the one that is served was revoked; `forgone`: and whoever did that has asked for no other.
    `asked_at`: since when an operator wants a new one. `wished`: when the authority would like to renew.
    `free_at`: when it is looked at again, after a failure or as planned; nothing is ordered before.
    """

    wanted: Collection[str]
    held: Held | None = None
    newest: Held | None = None
    revoked: bool = False
    forgone: bool = False
    asked_at: datetime | None = None
    wished: datetime | None = None
    free_at: datetime | None = None


@dataclass(frozen=True)
class Plan:
    """Order a new certificate at `at` (perhaps `NEVER`), because `why` (half a sentence). `urgent`: it is
    missed already.

    `needed_at`: the same, had nothing failed before.
    """

    at: datetime
    why: str
    urgent: bool
    needed_at: datetime


def plan(situation: Situation, *, now: datetime) -> Plan:
    """What is next for a domain whose certificates are managed."""
    needed_at, why, urgent = _needed(situation, now)
    earliest = [needed_at]
    if situation.free_at:
        earliest.append(situation.free_at)
    newest = situation.newest
    if newest and not newest.in_use and not situation.asked_at:
        earliest.append(settled_at(newest.issued_at, newest.life))
    return Plan(max(earliest), why, urgent, needed_at)


def settled_at(issued_at: datetime, life: Life) -> datetime:
    """When one that was issued then should long be in use, or is not to be counted on."""
    return issued_at + max(life.length * SETTLING, timedelta(minutes=1))


def _needed(situation: Situation, now: datetime) -> tuple[datetime, str, bool]:
    held = situation.held
    if situation.asked_at and (held or situation.newest or situation.revoked):
        return now, "somebody asked for it", True
    if situation.forgone:
        return NEVER, "the certificate was revoked, and no other was asked for", False
    if situation.revoked:
        return now, "the certificate was revoked", True
    if held is None:  # whoever asks for a first one asks for what is coming anyway
        return now, "it has no certificate yet", True
    if lacking := missing(held.names, situation.wanted):
        return now, f"the certificate lacks {_listed(lacking)}", True
    planned = renewal(held.life, fingerprint=held.fingerprint, wished=situation.wished)
    return _rested(held, planned), str(planned.why), False


def _rested(held: Held, planned: Renewal) -> datetime:
    if planned.why is not Why.ARI:
        return planned.at
    rested = held.issued_at + held.life.length * RESTING
    return max(planned.at, min(rested, held.life.at_share(EMERGENCY)))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
