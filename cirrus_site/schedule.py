"""The scheduled jobs that a new installation starts with.

Beat reads its schedule from the database. Seeding only ever *adds* a job that is not there, so what
an operator has edited in the admin stays; to stop a job, disable it there (a deleted one comes back).
"""

from typing import Any

from cirrus_site.config import Config

#: name → (task, every so many seconds, what it is for)
JOBS: dict[str, tuple[str, int, str]] = {
    "Publish what is left in the outbox": (
        "edge.tasks.drain_outbox",
        5,
        "Saves publish at once; this picks up what could not be (Redis was down, a process was killed).",
    ),
    "Compare the keyspace with the database": (
        "edge.tasks.reconcile",
        300,
        "Heals what no signal saw: QuerySet.update(), raw SQL, a restored backup, a flushed Redis.",
    ),
    "Note when the edges have applied a change": (
        "edge.tasks.settle_publications",
        5,
        "Keeps the 'on 2 of 2 edges, 0.2 s after the save' line after the acknowledgements are trimmed.",
    ),
    "Forget old purges": (
        "edge.tasks.expire_purges",
        3600,
        "Nothing stays in a cache for longer than 30 days, so purges of 31 days ago matter no more.",
    ),
    "Build the zones that wait": (
        "dnszones.tasks.tend",
        5,
        "Saves build at once; this builds what could not be, or waits for an edge to have a site.",
    ),
    "Build every zone": (
        "dnszones.tasks.rebuild_all",
        300,
        "Heals what no signal saw: QuerySet.update(), raw SQL, a restored backup, a flushed Redis.",
    ),
    "Ask the secondaries what they answer": (
        "dnszones.tasks.watch",
        5,
        "PENDING becomes INSYNC; what has left the DNS for all clients may leave the edges.",
    ),
    "Order the certificates that are due": (
        "certificates.tasks.tend",
        5,
        "Saves order at once; this orders what is due for renewal, goes on with what waits, and tries again.",
    ),
    "Deploy the certificates that wait": (
        "certificates.deployment.tasks.resume_deployments",
        5,
        "A certificate is deployed at once; this goes on where a worker was killed, or an edge was awaited.",
    ),
    "Compare what the edges serve over HTTPS": (
        "certificates.deployment.tasks.check_served",
        300,
        "A handshake with every edge, for each domain; an alarm where it shows another certificate.",
    ),
    "Watch over the certificates": (
        "certificates.tasks.watch",
        300,
        "Alarms by the share of life that is left; enrolls whom no signal saw; clears challenges.",
    ),
    "Ask the authorities when to renew": (
        "certificates.tasks.ask_windows",
        60,
        "Renewal information (RFC 9773): each certificate in turn, as often as its authority says.",
    ),
    "Rotate the session ticket keys": (
        "certificates.tasks.rotate_ticket_keys",
        60,
        "A new key every 8 hours, on the edges an hour before, kept for 24 hours.",
    ),
    "Forget old orders and certificates": (
        "certificates.tasks.clean",
        3600,
        "Orders of 90 days ago, and certificates that ended 30 days ago and serve nobody.",
    ),
    "Forget old alarms": (
        "alarms.tasks.expire_alarms",
        3600,
        "An alarm is kept for 90 days after it was cleared.",
    ),
    "Forget old answers and operations of the API": (
        "api.tasks.tend",
        600,
        "A request with an Idempotency-Key is known for a day, an operation for a week after its end.",
    ),
    "Forget old state changes": (
        "nodes.tasks.expire_events",
        3600,
        "The timeline of a node reaches back for 400 days.",
    ),
}


def followed_schedule(config: Config) -> dict[str, dict[str, Any]]:
    """The jobs whose interval is a setting: beat puts them into its database each time that it starts."""
    return {
        "Probe the nodes": {
            "task": "edge.tasks.probe_nodes",
            "schedule": config.health_interval,
            "options": {"expire_seconds": config.health_interval},
            "description": "Every CIRRUS_HEALTH_INTERVAL: what nodes are up follows from it.",
        }
    }


def seed_schedule(**_: Any) -> None:
    """Add the jobs that are missing (receiver of `post_migrate`)."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    for name, (task, seconds, description) in JOBS.items():
        if PeriodicTask.objects.filter(name=name).exists():
            continue
        interval, _created = IntervalSchedule.objects.get_or_create(
            every=seconds, period=IntervalSchedule.SECONDS
        )
        PeriodicTask.objects.create(
            name=name, task=task, interval=interval, description=description, expire_seconds=max(seconds, 60)
        )
