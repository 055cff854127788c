"""What becomes of an order that has ended: what is remembered, and when there is another attempt.

All of it is in one transaction. Nothing here touches a certificate: whatever fails, the one that the edges
have stays theirs.
"""

import logging
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from certificates.issuance.outcomes import Failed, FailureKind, Issued, Outcome
from certificates.models import Authority, Backoff, Certificate, Enrollment, Order
from certificates.renewal import breaker
from certificates.renewal.backoff import next_attempt
from certificates.renewal.blame import Blame, blame, names_in
from certificates.renewal.choice import TURN
from certificates.renewal.plan import settled_at
from certificates.renewal.policy import fraction, renewal
from certificates.services.authorities import authority_leave, breaker_of, breaker_store, proven_names
from certificates.services.situations import held_certificate, life_of
from certificates.services.watching import authorities_alarm

logger = logging.getLogger(__name__)


@transaction.atomic
def order_settle(*, order: Order, outcome: Outcome, now: datetime) -> None:
    """Remember how an order ended. One that is under way has nothing to be remembered."""
    if not isinstance(outcome, Issued | Failed):
        return
    enrollment = Enrollment.objects.select_related("domain", "current", "candidate").get(
        pk=order.enrollment_id
    )
    authority = Authority.objects.get(pk=order.authority_id)
    if isinstance(outcome, Issued):
        _issued(order, enrollment, authority, outcome.certificate, now)
    else:
        _failed(order, enrollment, authority, outcome, now)


def _issued(
    order: Order, enrollment: Enrollment, authority: Authority, certificate: Certificate, now: datetime
) -> None:
    if order.staging:
        # It works, so production is asked at once, unless that said how long to wait.
        _remember(order.names, authority, staging=True, until=now)
        _of(order.names, authority).filter(staging=False, asked=False).update(next_at=now)
        enrollment_schedule(enrollment, next_attempt_at=now)
        return
    _of(order.names, authority).delete()
    if authority.failures or authority.open_until or authority.problem:
        _judge(authority, breaker.succeeded(), problem="")
    life = life_of(certificate)
    planned = renewal(life, fingerprint=certificate.fingerprint)
    enrollment_schedule(
        enrollment,
        requested_at=None,
        attempts=0,
        first_failed_at=None,
        problem="",
        # Looked at once before that: it may have been taken back when it was deployed.
        next_attempt_at=min(planned.at, settled_at(now, life)),
        renew_at=planned.at,
        ari_start=None,
        ari_end=None,
        ari_explanation="",
        ari_check_at=now,
    )
    logger.info("certificate_issued host=%s authority=%s", enrollment.domain.host, authority.name)


def _failed(
    order: Order, enrollment: Enrollment, authority: Authority, failed: Failed, now: datetime
) -> None:
    with_whom = blame(failed.kind)
    pace = _Pace(enrollment, failed, now)
    following = now  # for another authority, or its production, which may be free
    if with_whom is Blame.AUTHORITY and order.staging:
        # A staging that is down proves nothing: production is asked without it.
        _remember(order.names, authority, staging=True, until=now, problem=failed.sentence)
    elif with_whom is Blame.AUTHORITY:
        _doubt(authority, order, failed, pace)
    elif with_whom is Blame.NAMES_THERE:
        _hold_against(authority, order, failed, pace, failures=TURN)
    elif with_whom is Blame.NAMES:
        _hold_against(authority, order, failed, pace, failures=1)
        following = pace.after(pace.attempts)
    else:
        following = pace.after(pace.attempts)
    enrollment_schedule(
        enrollment,
        attempts=pace.attempts,
        first_failed_at=pace.since,
        problem=failed.sentence,
        next_attempt_at=following,
    )
    logger.warning(
        "certificate_failed host=%s authority=%s staging=%s kind=%s attempts=%d",
        enrollment.domain.host,
        authority.name,
        order.staging,
        failed.kind,
        pace.attempts,
    )


class _Pace:
    """How soon to try again after one more failure, in view of what is left of the certificate."""

    def __init__(self, enrollment: Enrollment, failed: Failed, now: datetime) -> None:
        self.now = now
        self.attempts = enrollment.attempts + 1
        self.since = enrollment.first_failed_at or now
        asked = failed.retry_after
        self.wait = asked - now if asked and asked > now else None
        held = held_certificate(enrollment)
        self.life = life_of(held) if held else None
        self.chance = fraction(f"{enrollment.pk} {self.attempts}")

    def after(self, failures: int) -> datetime:
        """When to try again after so many failures."""
        return next_attempt(
            now=self.now,
            failures=failures,
            first_failed_at=self.since,
            left=self.life.left(self.now) if self.life else None,
            lifetime=self.life.length if self.life else None,
            wait=self.wait,
            chance=self.chance,
        )


def _doubt(authority: Authority, order: Order, failed: Failed, pace: _Pace) -> None:
    """The authority has failed: these names leave it alone, and all do once it has failed others too."""
    names = names_in(failed.problem) if failed.kind == FailureKind.RATE_LIMITED else []
    until = pace.after(pace.attempts)
    limited = failed.kind == FailureKind.RATE_LIMITED
    concerned = names or order.names
    _remember(concerned, authority, staging=False, until=until, problem=failed.sentence, asked=limited)
    if failed.everybody and pace.wait:
        authority_leave(authority, until=pace.now + pace.wait)
    if not names:  # a limit of one name says nothing about the others
        news = breaker.failed(breaker_of(authority), now=pace.now, wait=pace.wait)
        _judge(authority, news, problem=failed.sentence)


def _judge(authority: Authority, news: breaker.Breaker, *, problem: str) -> None:
    """Keep what is thought of an authority now; whether it is asked at all is told at once."""
    before = authority.open_until
    breaker_store(authority, news, problem=problem)
    if before or news.open_until:
        authorities_alarm()


def _hold_against(authority: Authority, order: Order, failed: Failed, pace: _Pace, *, failures: int) -> None:
    """Remember that the authority did not accept the names; where it says which, of those alone."""
    ours = proven_names(order.names)
    concerned = [name for name in proven_names(failed.names) if name in ours]
    held_until = pace.now
    for row in _rows(concerned or ours, authority, staging=order.staging, now=pace.now):
        row.failures += failures
        row.next_at, row.problem, row.asked = pace.after(row.failures), failed.sentence, bool(pace.wait)
        row.save()
        held_until = max(held_until, row.next_at)
    if not order.staging and authority.staging_url:
        # What its staging once said does not hold any more. Nor is that asked sooner: one that issues what
        # production refuses would have both asked in turn without end.
        for row in _rows(ours, authority, staging=True, now=pace.now):
            row.failures, row.problem = max(row.failures, 1), failed.sentence
            row.next_at = max(row.next_at, held_until)
            row.save()
    if authority.failures or authority.open_until:  # it answers sensibly, whatever it thinks of the names
        _judge(authority, breaker.succeeded(), problem="")


def _remember(
    names: Iterable[str],
    authority: Authority,
    *,
    staging: bool,
    until: datetime,
    problem: str = "",
    asked: bool = False,
) -> None:
    """Let these names wait there. No failure of theirs: of a staging it means that it need not be asked."""
    for row in _rows(names, authority, staging=staging, now=until):
        row.failures, row.next_at, row.problem, row.asked = 0, until, problem, asked
        row.save()


def _rows(names: Iterable[str], authority: Authority, *, staging: bool, now: datetime) -> list[Backoff]:
    return [
        Backoff.objects.get_or_create(
            name=name, authority=authority, staging=staging, defaults={"failures": 0, "next_at": now}
        )[0]
        for name in proven_names(names)
    ]


def _of(names: Iterable[str], authority: Authority) -> QuerySet[Backoff]:
    return Backoff.objects.filter(authority=authority, name__in=proven_names(names))


def enrollment_schedule(enrollment: Enrollment, **news: object) -> None:
    """Write when and why something happens next; without a signal, as the edges see none of it."""
    Enrollment.objects.filter(pk=enrollment.pk).update(**news)
    for name, value in news.items():
        setattr(enrollment, name, value)
