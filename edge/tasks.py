"""The scheduled jobs of the edges; `cirrus_site/schedule.py` says how often. Each may run twice."""

from celery import shared_task

from edge.purges.services import purges_expire, purges_settle
from edge.services import publications_settle
from edge.sync import keyspace_reconcile, outbox_drain


@shared_task(soft_time_limit=570, time_limit=600)  # long, as it may bring everything back
def drain_outbox() -> None:
    """Publish what a save could not publish."""
    outbox_drain()


@shared_task(soft_time_limit=570, time_limit=600)
def reconcile() -> None:
    """Compare the whole keyspace with the database, and repair it."""
    keyspace_reconcile()


@shared_task(soft_time_limit=50, time_limit=60)
def settle_publications() -> None:
    """Note when the edges have applied what was published, and what was purged."""
    publications_settle()
    purges_settle()


@shared_task(soft_time_limit=570, time_limit=600)
def expire_purges() -> None:
    """Forget purges that are older than anything in a cache."""
    purges_expire()
