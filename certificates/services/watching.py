"""How the certificates are: well or in danger, and the alarms for that, which clear themselves."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from alarms.models import Alarm
from alarms.services import alarm_clear, alarm_raise, alarms_settle
from certificates.models import Authority, Certificate, Enrollment, Order
from certificates.renewal.ladder import Rung, Trouble, is_overdue, rung
from certificates.renewal.policy import Life

#: Kinds of alarms.
CERTIFICATE, AUTHORITY = "certificate", "certificate_authority"
#: Orders that ended within this are counted.
RECENTLY = timedelta(days=1)


@dataclass(frozen=True)
class Standing:
    """How the certificate of one domain is. `life`: None as long as there is no real one. `coming`: somebody
    has asked for another one, or it is being tried."""

    host: str
    rung: Rung
    uploaded: bool
    life: Life | None
    problem: str
    attempts: int
    revoked_at: datetime | None = None
    coming: bool = False

    @property
    def sentence(self) -> str:
        """What is wrong and what to do; "" where nothing is."""
        return _SENTENCES[self.rung](self) if self.rung else ""


def standings(*, now: datetime) -> Iterator[Standing]:
    """One for each domain that serves HTTPS. Reads columns, no certificates: there may be many thousands."""
    rows = Enrollment.objects.filter(domain__tls=True, domain__enabled=True).values_list(
        "domain__host",
        "source",
        "attempts",
        "first_failed_at",
        "problem",
        "current__source",
        "current__not_before",
        "current__not_after",
        "current__revoked_at",
        "requested_at",
        "candidate",
    )
    for row in rows.order_by("domain__host").iterator():
        host, source, attempts, since, problem, kind, begin, end, revoked_at, requested_at, candidate = row
        real = kind not in (None, Certificate.Source.PLACEHOLDER)
        life = Life(begin, end) if real else None
        coming = bool(requested_at or candidate)
        overdue = is_overdue(revoked_at, coming=coming, now=now)
        step = rung(life, Trouble(attempts, since), now=now, revoked=overdue)
        uploaded = source == Enrollment.Source.UPLOAD
        yield Standing(host, step, uploaded, life, problem, attempts, revoked_at, coming)


def certificates_alarm(*, now: datetime | None = None) -> None:
    """Have an alarm for each certificate in danger and each authority in trouble, and for no other."""
    now = now or timezone.now()
    wrong = [standing for standing in standings(now=now) if standing.rung]
    for standing in wrong:
        severity = Alarm.Severity.CRITICAL if standing.rung.critical else Alarm.Severity.WARNING
        alarm_raise(kind=CERTIFICATE, subject=standing.host, sentence=standing.sentence, severity=severity)
    _clear_others(CERTIFICATE, {standing.host for standing in wrong})
    authorities_alarm()


def authorities_alarm() -> None:
    """Have an alarm for each authority in trouble, and for no other: every few minutes, and whenever orders
    have begun or ceased to pass one by."""
    alarms_settle(kind=AUTHORITY, sentences=dict(_authority_troubles()))


def _clear_others(kind: str, subjects: set[str]) -> None:
    opened = Alarm.objects.open().filter(kind=kind).values_list("subject", flat=True)
    for subject in sorted(set(opened) - subjects):
        alarm_clear(kind=kind, subject=subject)


def _authority_troubles() -> Iterator[tuple[str, str]]:
    enabled = list(Authority.objects.filter(enabled=True).order_by("position", "name"))
    waiting = Enrollment.objects.filter(
        domain__tls=True, domain__enabled=True, source=Enrollment.Source.ACME
    ).count()
    if not enabled and waiting:
        yield (
            "none",
            f"No certificate authority is enabled, and {waiting:,} "
            f"domain{'s wait' if waiting > 1 else ' waits'} for certificates from one: add or enable one.",
        )
    for authority in enabled:
        if authority.open_until is None:
            continue
        others = [other.name for other in enabled if other.open_until is None]
        instead = f"{others[0]} is asked instead" if others else "There is no other authority: add one"
        yield (
            authority.name,
            f"{authority.name} has failed {authority.failures:,} times in a row, last with: "
            f"{authority.problem} {instead}. It is tried again by itself; look at its status page, and "
            "at its account here.",
        )


@dataclass(frozen=True)
class Totals:
    """All certificates in numbers. `soonest`: seconds until the first one ends, negative where one has."""

    by_rung: dict[str, int]
    soonest: float | None
    open_orders: int
    orders: dict[tuple[str, str], int]


def totals(*, now: datetime | None = None) -> Totals:
    """For the metrics: bounded, whatever the number of domains is."""
    now = now or timezone.now()
    found = list(standings(now=now))
    counts = Counter(standing.rung for standing in found)
    ends = [standing.life.left(now).total_seconds() for standing in found if standing.life]
    ended = Order.objects.filter(ended_at__gte=now - RECENTLY, staging=False).order_by()
    by_outcome = ended.values_list("authority__name", "state").annotate(Count("pk"))
    return Totals(
        by_rung={step.name.lower(): counts[step] for step in Rung},
        soonest=min(ends, default=None),
        open_orders=Order.objects.filter(ended_at=None).count(),
        orders={(name, str(state)): count for name, state, count in by_outcome},
    )


def _until(standing: Standing) -> str:
    return f"{standing.life.end:%Y-%m-%d %H:%M} UTC" if standing.life else "an unknown time"


def _why(standing: Standing) -> str:
    if standing.revoked_at and not standing.coming:
        return (
            "No other is on its way: press “Issue now” on the domain's page, upload one, or turn HTTPS off."
        )
    if standing.uploaded:
        return (
            "It was uploaded, and is not renewed by itself: upload a newer one, or let an authority issue it."
        )
    if standing.problem:
        return f"The last attempt: {standing.problem}"
    return "Look at the domain's page for what happens next."


_SENTENCES = {
    Rung.FAILING: lambda it: (
        f"The certificate of {it.host} could not be renewed in {it.attempts:,} attempts; it is valid until "
        f"{_until(it)}. {_why(it)}"
        if it.life
        else f"{it.host} has no certificate yet, after {it.attempts:,} attempts. {_why(it)}"
    ),
    Rung.LATE: lambda it: (
        f"Less than a fifth of the life of the certificate of {it.host} is left: it ends at {_until(it)}. "
        f"{_why(it)}"
    ),
    Rung.URGENT: lambda it: (
        f"The certificate of {it.host} ends at {_until(it)}; then browsers refuse the site. {_why(it)}"
    ),
    Rung.REVOKED: lambda it: (
        f"The certificate of {it.host} was revoked on {it.revoked_at:%Y-%m-%d %H:%M} UTC and is served "
        f"nevertheless: browsers may refuse the site. {_why(it)}"
    ),
    Rung.ENDED: lambda it: (
        f"The certificate of {it.host} has ended at {_until(it)}, and browsers refuse the site. {_why(it)}"
    ),
    Rung.MISSING: lambda it: (
        f"{it.host} has been without a certificate for more than a day, after {it.attempts:,} attempts: "
        f"nobody can visit it over HTTPS. {_why(it)}"
    ),
}


def problem_count(found: Iterable[Standing]) -> int:
    """How many of them are not well."""
    return sum(bool(standing.rung) for standing in found)
