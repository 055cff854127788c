"""The scheduled job of the alarms; `cirrus_site/schedule.py` says how often."""

from celery import shared_task

from alarms.services import alarms_expire


@shared_task(soft_time_limit=50, time_limit=60)
def expire_alarms() -> None:
    """Forget alarms that were cleared long ago."""
    alarms_expire()
