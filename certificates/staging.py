"""What a save does to certificates: a domain that serves HTTPS is enrolled, and a worker is woken.

The enrollment is part of the saving transaction, so that none is lost: where no worker could be woken (Redis
is down), the scheduled job finds it.
"""

import logging
from collections.abc import Sequence
from functools import partial

from kombu.exceptions import OperationalError

from certificates.deployment.tending import placeholders_ensure
from certificates.models import Authority
from certificates.services.enrollments import enrollments_ensure, enrollments_release
from edge.once import OncePerCommit
from edge.signals import Effect

logger = logging.getLogger(__name__)


def enrollments_stage(domain_ids: Sequence[int], *, renamed: bool = False) -> None:
    """Enroll those of these domains that serve HTTPS, and have what they lack ordered after the commit; until
    it is there they have a placeholder. `renamed`: their names have changed."""
    if enrollments_ensure(domain_ids=domain_ids, renamed=renamed):
        _waking.ask()
    placeholders_ensure(domain_ids=domain_ids)


def authorities_stage(authority_ids: Sequence[int]) -> None:
    """An authority was added or changed: those that wait for a certificate may get one now."""
    released = [
        enrollments_release(authority=authority)
        for authority in Authority.objects.filter(pk__in=list(authority_ids), enabled=True)
    ]
    if any(released):
        _waking.ask()


def wake() -> None:
    """Have a worker look at what is due now, rather than in some seconds."""
    from certificates.tasks import tend

    try:
        tend.apply_async(retry=False, expires=60)
    except OperationalError as error:
        logger.warning("enrolled, no worker was woken: %s", error)


_waking = OncePerCommit(wake)

#: For the table of effects: the object itself, or the domain that it belongs to.
DOMAIN_OF_NAME = Effect(partial(enrollments_stage, renamed=True), lambda name: [name.domain_id])
AUTHORITY_ITSELF = Effect(authorities_stage, lambda authority: [authority.pk])
DOMAIN_ITSELF = Effect(enrollments_stage, lambda domain: [domain.pk])
