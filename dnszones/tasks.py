"""The jobs of the DNS; `cirrus_site/schedule.py` says how often. Each may run twice."""

from celery import shared_task


@shared_task(soft_time_limit=110, time_limit=120)
def rebuild(attempt: int = 0) -> None:
    """Build and publish the zones that are staged."""
