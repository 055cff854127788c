"""What is remembered of authorities: who may be asked, who has failed whom, and until when to wait."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from certificates.issuance.names import validated_name
from certificates.models import Authority, Backoff, Enrollment
from certificates.renewal.breaker import Breaker, State, trying
from certificates.renewal.choice import Candidate, Choice, Later, choose


def authorities_for(enrollment: Enrollment) -> list[Authority]:
    """The one that the operator has chosen, else all that are enabled, in their order."""
    if enrollment.authority:
        return [enrollment.authority] if enrollment.authority.enabled else []
    return list(Authority.objects.filter(enabled=True).order_by("position", "name"))


def authority_choose(
    *, authorities: Sequence[Authority], names: Sequence[str], now: datetime
) -> tuple[Authority, Choice] | Later:
    """Whom to ask for these names now, or when somebody may be asked; it changes nothing."""
    rows = backoffs_of(authorities, names)
    candidates = [_candidate(authority, rows) for authority in authorities]
    found = choose(candidates, names=len(names), now=now)
    if isinstance(found, Later):
        return found
    return next(item for item in authorities if item.name == found.name), found


def backoffs_of(authorities: Iterable[Authority], names: Iterable[str]) -> list[Backoff]:
    """What is remembered of these names at these authorities."""
    return list(Backoff.objects.filter(authority__in=list(authorities), name__in=proven_names(names)))


def proven_names(names: Iterable[str]) -> list[str]:
    """The names as they are proven, which is what authorities count by: without `*.`, each once."""
    return sorted({validated_name(name) for name in names})


def breaker_of(authority: Authority) -> Breaker:
    """Its circuit breaker."""
    return Breaker(authority.failures, authority.open_until)


def breaker_try(authority: Authority, *, now: datetime) -> None:
    """Note that an order is about to ask it: a half-open breaker lets no second one through."""
    breaker = breaker_of(authority)
    if breaker.state(now) == State.HALF_OPEN:
        breaker_store(authority, trying(breaker, now=now))


def breaker_store(authority: Authority, breaker: Breaker, *, problem: str | None = None) -> None:
    """Keep a new state of its breaker, and what its problem is where that is news."""
    news: dict[str, Any] = {"failures": breaker.failures, "open_until": breaker.open_until}
    if problem is not None:
        news["problem"] = problem
    Authority.objects.filter(pk=authority.pk).update(**news)
    for name, value in news.items():
        setattr(authority, name, value)


def authority_leave(authority: Authority, *, until: datetime) -> None:
    """Have nobody ask it before then, as it wishes."""
    Authority.objects.filter(pk=authority.pk).update(retry_after=until)
    authority.retry_after = until


def resting_until(authority: Authority) -> datetime | None:
    """Until when nothing may be ordered there, whatever the names: its breaker, and what it has asked for."""
    return _latest([authority.open_until, authority.retry_after])


def _candidate(authority: Authority, rows: list[Backoff]) -> Candidate:
    mine = [row for row in rows if row.authority_id == authority.pk]
    real = [row for row in mine if not row.staging]
    staging = [row for row in mine if row.staging]
    return Candidate(
        name=authority.name,
        free_at=_latest([resting_until(authority), *(row.next_at for row in real)]),
        failures=max((row.failures for row in real), default=0),
        has_staging=bool(authority.staging_url),
        proven=bool(staging) and not any(row.failures for row in staging),
        staging_free_at=_latest(row.next_at for row in staging),
        takes=authority.max_names,
    )


def _latest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((moment for moment in moments if moment), default=None)
