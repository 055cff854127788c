"""The scheduled job of the nodes; `cirrus_site/schedule.py` says how often."""

from celery import shared_task

from nodes.services import events_expire


@shared_task(soft_time_limit=50, time_limit=60)
def expire_events() -> None:
    """Forget the oldest state changes of nodes."""
    events_expire()
