"""What can be done with the scheduled jobs by hand; the portal and the API do it by these."""

import json
from datetime import timedelta
from typing import Any

from celery import current_app
from celery.schedules import schedule
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from kombu.exceptions import OperationalError

from cirrus_site.errors import CirrusError


class JobUnknown(CirrusError):
    """A job names a task that this Cirrus has not."""

    def __init__(self, job: PeriodicTask) -> None:
        super().__init__(f"There is no task {job.task}, so “{job.name}” cannot run.")


class QueueUnreachable(CirrusError):
    """What workers take their work from does not answer."""

    permanent = False

    def __init__(self, reason: object) -> None:
        super().__init__(f"The queue cannot be reached ({reason}).")


def job_seconds(job: PeriodicTask) -> int | None:
    """Every how many seconds a job runs; None where it has another schedule than whole seconds."""
    seconds = job.interval.schedule.run_every.total_seconds() if job.interval else 0.5
    return int(seconds) if seconds.is_integer() else None


def job_set(*, job: PeriodicTask, enabled: bool | None = None, seconds: int | None = None) -> None:
    """Have a job run as scheduled or not at all, and every so many seconds; None: as it is.

    Beat sees it within seconds. A job that is so already is not touched.
    """
    changed = False
    if enabled is not None and enabled != job.enabled:
        job.enabled, changed = enabled, True
    if seconds is not None and seconds != job_seconds(job):
        job.interval, changed = _interval_of(seconds), True
    if changed:
        job.save()


def _interval_of(seconds: int) -> IntervalSchedule:
    """The interval of so many seconds; it is made where nobody has it yet."""
    interval: IntervalSchedule = IntervalSchedule.from_schedule(schedule(timedelta(seconds=seconds)))
    if not interval.pk:
        interval.save()
    return interval


def job_run(*, job: PeriodicTask) -> None:
    """Hand a job to a worker now, also one that is disabled. Raises `JobUnknown`, `QueueUnreachable`."""
    current_app.loader.import_default_modules()
    task = current_app.tasks.get(job.task)
    if task is None:
        raise JobUnknown(job)
    elsewhere: dict[str, Any] = {"queue": job.queue} if job.queue else {}
    try:
        task.apply_async(
            args=json.loads(job.args),
            kwargs=json.loads(job.kwargs),
            headers={"periodic_task_name": job.name},
            **elsewhere,
        )
    except OperationalError as error:
        raise QueueUnreachable(error) from error
