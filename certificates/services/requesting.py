"""Asking for a certificate now, with an order to follow where one can be opened at once."""

from django.db import transaction
from django.utils import timezone

from certificates.errors import NoHttps
from certificates.models import Order
from certificates.services.enrollments import enrollment_ensure, enrollment_hand_back, enrollment_request
from certificates.services.situations import open_order, tended
from certificates.services.tending import enrollment_open
from certificates.staging import wake
from domains.models import Domain


@transaction.atomic
def certificate_request(*, domain: Domain) -> Order | None:
    """Have a certificate ordered now, also where one was uploaded, which it then takes over from.

    The order that is under way or was opened for it; None where nobody may be asked now: the enrollment
    says why. Nobody is asked here, a worker does that. Raises `NoHttps`.
    """
    enrollment = enrollment_ensure(domain=domain)
    if enrollment is None or not domain.enabled:
        raise NoHttps(domain.host, enabled=domain.enabled)
    enrollment_hand_back(enrollment=enrollment)
    enrollment_request(enrollment=enrollment)
    transaction.on_commit(wake, robust=True)
    row = tended().get(pk=enrollment.pk)
    return open_order(row) or enrollment_open(enrollment=row, now=timezone.now(), force=True)
