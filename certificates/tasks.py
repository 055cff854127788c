"""The jobs of the certificates; `cirrus_site/schedule.py` says how often. Each may run twice."""

from celery import shared_task
from django.utils import timezone

from certificates.deployment.tasks import check_served, deploy_certificate, resume_deployments
from certificates.issuance.challenges import challenges_sweep
from certificates.issuance.outcomes import Waiting
from certificates.services.ari import windows_ask
from certificates.services.cleaning import certificates_clean
from certificates.services.enrollments import enrollments_ensure
from certificates.services.tending import certificates_tend, order_follow
from certificates.services.tickets import ticket_keys_rotate
from certificates.services.watching import certificates_alarm

__all__ = ["check_served", "deploy_certificate", "resume_deployments"]  # for Celery, which reads this module

#: Seconds that one task works at an order; one that is not done then goes on in another.
PATIENCE = 60.0
#: An order that waits for no longer than this is not left to the scheduled job.
SOON = 30.0


@shared_task(soft_time_limit=50, time_limit=60)
def tend() -> None:
    """Send a task for each order that is due, as far as there is room."""
    for order_id in certificates_tend():
        advance.delay(order_id)


@shared_task(soft_time_limit=220, time_limit=240)
def advance(order_id: int) -> None:
    """Bring one order forward, and then see what else there is room for."""
    outcome = order_follow(order_id=order_id, patience=PATIENCE)
    if isinstance(outcome, Waiting):
        wait = (outcome.until - timezone.now()).total_seconds()
        if wait <= SOON:
            tend.apply_async(countdown=max(wait, 0.1))
    tend.delay()


@shared_task(soft_time_limit=50, time_limit=60)
def ask_windows() -> None:
    """Ask the authorities when they would like to renew."""
    windows_ask()


@shared_task(soft_time_limit=110, time_limit=120)
def watch() -> None:
    """Enroll whom no signal has enrolled, take back what killed workers have left, and have alarms."""
    enrollments_ensure()
    challenges_sweep()
    certificates_alarm()


@shared_task(soft_time_limit=50, time_limit=60)
def rotate_ticket_keys() -> None:
    """Make the session ticket keys that are due."""
    ticket_keys_rotate()


@shared_task(soft_time_limit=570, time_limit=600)
def clean() -> None:
    """Forget what nobody needs any more."""
    certificates_clean()
