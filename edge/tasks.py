"""The scheduled jobs of the edges; `cirrus_site/schedule.py` says how often. Each may run twice."""

from typing import Any

from celery import current_app, shared_task
from django.conf import settings

from edge.health.services import vantage_probe, vantages_ask
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


@shared_task(soft_time_limit=50, time_limit=60)
def probe_nodes() -> None:
    """Ask every vantage point to probe all nodes: one task each, void when the next one comes."""
    for vantage in vantages_ask():
        queue = current_app.conf.task_default_queue if vantage == "local" else f"probe-{vantage}"
        if vantage == "local" or not _waiting(queue):
            probe_from.apply_async((vantage,), queue=queue, expires=settings.CIRRUS.health_interval)


@shared_task(soft_time_limit=350, time_limit=360)
def probe_from(vantage: str) -> None:
    """Probe all nodes from here, which is the vantage point of that name."""
    vantage_probe(vantage=vantage)


def _waiting(queue: str) -> int:
    """How many tasks wait in a queue; what nobody fetches there must not pile up."""
    with current_app.connection_for_write() as connection:
        # Not by declaring the queue: with a prefix of keys, kombu never finds that it exists.
        channel: Any = connection.default_channel
        return int(channel.client.llen(queue))
