"""Renewing in the foreground, for a command: what the scheduled job and its tasks do, at once and seen."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from certificates.issuance.outcomes import Failed, Issued, Outcome, Waiting
from certificates.models import Enrollment, Order
from certificates.services.enrollments import enrollment_request
from certificates.services.situations import enrollment_plan, open_order, tended
from certificates.services.tending import enrollment_open, order_follow

#: Seconds that one order is followed; what is not done then is the worker's.
PATIENCE = 120.0
#: Orders in a row for one domain: after a staging comes production, after a refusal the next authority.
TURNS = 6


@dataclass(frozen=True)
class Renewed:
    """What became of one domain. `outcome`: None where nobody can be asked now."""

    host: str
    outcome: Outcome | None
    sentence: str


def enrollments_named(hosts: Iterable[str]) -> tuple[list[Enrollment], list[str]]:
    """The tended enrollments of these domains (all, where none is named), and the names that have none."""
    wanted = list(hosts)
    found = list(tended().filter(domain__host__in=wanted) if wanted else tended())
    known = {enrollment.domain.host for enrollment in found}
    return sorted(found, key=lambda item: item.domain.host), [host for host in wanted if host not in known]


def certificates_renew(
    *, enrollments: Sequence[Enrollment], force: bool, tell: Callable[[Renewed], None]
) -> int:
    """Order what is due among these (`force`: all of them) and follow it; how many did not get one.

    At most CIRRUS_CERTIFICATE_PARALLEL at once, beside what the workers do.
    """
    now = timezone.now()
    due = [
        enrollment.pk
        for enrollment in enrollments
        if force or open_order(enrollment) or enrollment_plan(enrollment, now=now).at <= now
    ]
    missed = 0
    with ThreadPoolExecutor(max_workers=settings.CIRRUS.certificate_parallel) as pool:
        for renewed in pool.map(lambda pk: _renew(pk, force=force), due):
            tell(renewed)
            missed += not isinstance(renewed.outcome, Issued)
    return missed


def _renew(enrollment_id: int, *, force: bool) -> Renewed:
    try:
        if force:
            enrollment_request(enrollment=Enrollment.objects.get(pk=enrollment_id))
        return _follow(enrollment_id, timezone.now() + timedelta(seconds=PATIENCE))
    finally:
        connection.close()


def _follow(enrollment_id: int, deadline: datetime) -> Renewed:
    """One order after another, as long as there is one to be placed at once."""
    outcome: Outcome | None = None
    host = ""
    for _ in range(TURNS):
        enrollment = tended().get(pk=enrollment_id)
        host = enrollment.domain.host
        order = open_order(enrollment) or enrollment_open(enrollment=enrollment, now=timezone.now())
        if order is None:
            break
        outcome = order_follow(order_id=order.pk, patience=PATIENCE)
        if isinstance(outcome, Waiting) or timezone.now() > deadline or _is_done(order, outcome):
            break
    return Renewed(host, outcome, _sentence(enrollment_id, outcome))


def _is_done(order: Order, outcome: Outcome) -> bool:
    return isinstance(outcome, Issued) and not order.staging


def _sentence(enrollment_id: int, outcome: Outcome | None) -> str:
    if isinstance(outcome, Issued) and not outcome.certificate.staging:
        certificate = outcome.certificate
        return f"issued by {certificate.issuer}, valid until {certificate.not_after:%Y-%m-%d %H:%M} UTC"
    if isinstance(outcome, Failed):
        return outcome.sentence
    if isinstance(outcome, Waiting):
        return f"under way: {outcome.why}; the worker goes on with it"
    problem = Enrollment.objects.values_list("problem", flat=True).get(pk=enrollment_id)
    return problem or "nobody can be asked now; the worker tries again by itself"
