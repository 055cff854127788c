"""The jobs of the DNS; `cirrus_site/schedule.py` says how often. Each may run twice."""

from celery import shared_task
from django.utils import timezone

from dnszones.leaving import leaving_settle
from dnszones.tending import SOON, zones_follow, zones_reconcile, zones_tend
from dnszones.watching import behind_alarm, secondaries_watch, watch_begins, watch_is_due


@shared_task(soft_time_limit=110, time_limit=120)
def rebuild(attempt: int = 0, chain: str = "") -> None:
    """Build the zones that are staged, and again while edges catch up with what is to be answered."""
    followed = zones_follow(attempt=attempt, chain=chain)
    if followed.published and watch_is_due():
        watch.apply_async(countdown=SOON)
    if followed.again:
        rebuild.apply_async(kwargs={"attempt": attempt + 1, "chain": followed.chain}, countdown=SOON)


@shared_task(soft_time_limit=110, time_limit=120)
def tend() -> None:
    """Build what nobody was woken for."""
    zones_tend()


@shared_task(soft_time_limit=110, time_limit=120)
def rebuild_all() -> None:
    """Build every zone."""
    zones_reconcile()


@shared_task(soft_time_limit=50, time_limit=60)
def watch() -> None:
    """Ask the secondaries, and let go of what has left the DNS."""
    watch_begins()
    secondaries_watch()
    behind_alarm(now=timezone.now())
    leaving_settle()
