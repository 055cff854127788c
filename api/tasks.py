"""The scheduled job of the API; `cirrus_site/schedule.py` says how often."""

from celery import shared_task

from api.idempotency import requests_expire
from api.operations import operations_tend


@shared_task(soft_time_limit=50, time_limit=60)
def tend() -> None:
    """Forget old answers and operations."""
    requests_expire()
    operations_tend()
