"""Enrolling: each domain that serves HTTPS has an enrollment, made when that is turned on."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from certificates.deployment.deploying import refusal_forget
from certificates.models import Authority, Backoff, Enrollment, Order
from certificates.renewal.names import missing
from certificates.services.authorities import proven_names
from certificates.services.situations import held_certificate, wanted_names, with_plans
from domains.models import Domain


@transaction.atomic
def enrollment_ensure(*, domain: Domain) -> Enrollment | None:
    """The enrollment of a domain that serves HTTPS; None where it does not.

    Where a certificate is missing, or lacks a name that the domain has now, it is looked at at once. A name
    that went is no hurry: the next renewal leaves it out.
    """
    if not domain.tls:
        return None
    enrollment, is_new = Enrollment.objects.get_or_create(domain=domain)
    if not is_new:
        _look_at_what_is_missed([enrollment.pk], False)
    return enrollment


@transaction.atomic
def enrollments_ensure(*, domain_ids: Iterable[int] | None = None, renamed: bool = False) -> int:
    """The same for many domains; how many wait for a certificate by that. None: enroll whom nobody has.

    `renamed`: their names have changed, so that what has failed with the others may go well now.
    """
    domains = Domain.objects.filter(tls=True)
    if domain_ids is not None:
        domains = domains.filter(pk__in=list(domain_ids))
    new = [Enrollment.objects.get_or_create(domain=item)[0] for item in domains.filter(enrollment=None)]
    if domain_ids is None:
        return len(new)
    enrolled = Enrollment.objects.filter(domain__in=domains).exclude(pk__in=[item.pk for item in new])
    return len(new) + _look_at_what_is_missed(list(enrolled.values_list("pk", flat=True)), renamed)


def enrollment_hand_back(*, enrollment: Enrollment) -> None:
    """Have the authorities issue and renew from now on, also where a certificate was uploaded."""
    if enrollment.source != Enrollment.Source.ACME:
        enrollment.source = Enrollment.Source.ACME
        enrollment.save(update_fields=["source"])


@transaction.atomic
def enrollment_request(*, enrollment: Enrollment, now: datetime | None = None) -> None:
    """Have a new certificate ordered at once, whatever the plan and failures of before say.

    What an authority has asked us to wait is waited nevertheless. An order under way is brought forward.
    """
    now = now or timezone.now()
    refusal_forget(enrollment)
    found = Enrollment.objects.filter(pk=enrollment.pk)
    found.update(requested_at=now, next_attempt_at=now, problem="")
    enrollment.refresh_from_db(fields=["requested_at", "next_attempt_at", "problem"])
    names = proven_names(wanted_names(enrollment))
    Backoff.objects.filter(name__in=names, asked=False).update(next_at=now)
    waiting = Q(leased_until=None) | Q(leased_until__lte=now)
    Order.objects.filter(waiting, enrollment=enrollment, ended_at=None, due_at__gt=now).update(due_at=now)


def enrollments_release(*, authority: Authority) -> int:
    """Look at once at all that wait for a certificate, as an authority was added or changed; their number.

    Its breaker closes, and what we have waited for of ourselves is over: it may be well now.
    """
    now = timezone.now()
    Authority.objects.filter(pk=authority.pk).update(failures=0, open_until=None, problem="")
    Backoff.objects.filter(authority=authority, failures=0, asked=False).update(next_at=now)
    waiting = Enrollment.objects.filter(domain__tls=True, source=Enrollment.Source.ACME).exclude(problem="")
    return waiting.update(next_attempt_at=None, attempts=0, first_failed_at=None)


def _look_at_what_is_missed(enrollment_ids: Sequence[int], renamed: bool) -> int:
    missed = 0
    for enrollment in with_plans(Enrollment.objects.filter(pk__in=enrollment_ids)):
        held = held_certificate(enrollment)
        failing = bool(enrollment.attempts)
        if held and not missing(held.names, wanted_names(enrollment)) and not failing:
            continue
        # A failure's back-off stays: what is saved here need not be what it was about.
        if renamed or not failing:
            Enrollment.objects.filter(pk=enrollment.pk).update(next_attempt_at=None)
            missed += 1
    return missed
