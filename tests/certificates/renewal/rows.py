"""Rows for the tests of renewals: enrollments with certificates that are so old, and orders that ended so."""

import hashlib
import itertools
from datetime import timedelta

from django.utils import timezone

from certificates.issuance.outcomes import Failed, FailureKind, Issued
from certificates.models import Authority, Certificate, Enrollment, Order
from tests.factories import DomainFactory

DAY = timedelta(days=1)
_count = itertools.count()


def authority(name="one", **fields):
    fields = {"directory_url": f"https://{name}.example/dir", "terms_agreed": True, "position": 10} | fields
    return Authority.objects.create(name=name, **fields)


def enrolled(host="www.shop.example", *, aliases=(), **fields):
    """A domain that serves HTTPS, and its enrollment, out of nothing."""
    domain = DomainFactory(host=host, tls=True)
    for name in aliases:
        domain.hostnames.create(name=name)
    found, _ = Enrollment.objects.update_or_create(domain=domain, defaults=fields)
    return found


def certificate(enrollment, *, left=0.9, length=90 * DAY, names=None, **fields):
    """A certificate of which this share of its lifetime is left; it is nobody's current one yet."""
    now = timezone.now()
    number = next(_count)
    row = Certificate.objects.create(
        **{
            "enrollment": enrollment,
            "source": Certificate.Source.ACME,
            "chain": "PEM",
            "key": "sealed",
            "key_type": "ecdsa-p256",
            "names": names or sorted(enrollment.domain.hostnames.values_list("name", flat=True)),
            "not_before": now - length * (1 - left),
            "not_after": now + length * left,
            "fingerprint": hashlib.sha256(str(number).encode()).hexdigest(),
            "serial": f"{number:x}",
            "issuer": "Test CA",
            "ari_id": f"key.{number}",
        }
        | fields
    )
    Certificate.objects.filter(pk=row.pk).update(created_at=row.not_before)
    return row


def serving(enrollment, **fields):
    """The same as the current one of the enrollment."""
    found = certificate(enrollment, **fields)
    Enrollment.objects.filter(pk=enrollment.pk).update(current=found)
    enrollment.refresh_from_db()
    return found


def ordered(enrollment, at, *, staging=False, names=None):
    """An order there that is open."""
    return Order.objects.create(
        enrollment=enrollment,
        authority=at,
        staging=staging,
        names=names or sorted(enrollment.domain.hostnames.values_list("name", flat=True)),
        state=Order.State.NEW,
        due_at=timezone.now(),
    )


def ended(order, outcome):
    """The order as `order_advance` leaves it after this outcome."""
    order.ended_at = timezone.now()
    if isinstance(outcome, Issued):
        order.state, order.certificate = Order.State.ISSUED, outcome.certificate
    else:
        order.state, order.sentence = Order.State.FAILED, outcome.sentence
        order.problem = {
            "kind": str(outcome.kind),
            "retry_after": outcome.retry_after.isoformat() if outcome.retry_after else "",
            "problem": outcome.problem,
            "names": list(outcome.names),
        }
    order.save()
    return order


def failure(kind=FailureKind.CONNECTION, sentence="It could not be reached.", **fields):
    return Failed(kind, sentence, **fields)
