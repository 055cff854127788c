"""Forgetting: orders of long ago, certificates that have ended, and failures that are over."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from certificates.models import Backoff, Certificate, Enrollment, Order

#: How long each is kept after its end; one that nobody trusts, after it was made.
ORDERS, CERTIFICATES, TRIALS, BACKOFFS = (
    timedelta(days=90),
    timedelta(days=30),
    timedelta(days=1),
    timedelta(days=30),
)
SOME = 1_000


def certificates_clean(*, now: datetime | None = None) -> int:
    """Forget up to some thousand of them; how many. Never a certificate that is valid, or in use."""
    now = now or timezone.now()
    used = Q(pk__in=Enrollment.objects.exclude(current=None).values("current"))
    used |= Q(pk__in=Enrollment.objects.exclude(candidate=None).values("candidate"))
    used |= Q(pk__in=Enrollment.objects.exclude(previous=None).values("previous"))
    untrusted = Q(staging=True) | Q(source=Certificate.Source.PLACEHOLDER)
    over = Q(not_after__lt=now - CERTIFICATES) | untrusted & Q(created_at__lt=now - TRIALS)
    forgotten = _delete(Order.objects.filter(ended_at__lt=now - ORDERS))
    forgotten += _delete(Certificate.objects.filter(over).exclude(used))
    return forgotten + _delete(Backoff.objects.filter(next_at__lt=now - BACKOFFS))


def _delete(rows: QuerySet[Any]) -> int:
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[:SOME])
    rows.model._default_manager.filter(pk__in=ids).delete()
    return len(ids)
