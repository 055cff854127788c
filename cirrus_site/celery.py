"""The Celery application: `celery -A cirrus_site worker` and `… beat`."""

import logging.config
import os
import time
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_postrun

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cirrus_site.settings")

app = Celery("cirrus")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

#: Where the cache holds the Unix time at which the last task ended. The schedule has one every few
#: seconds, so an old time means that beat or every worker has stopped; `/healthz` tells.
LAST_TASK = "last-task-ended-at"


@setup_logging.connect
def use_our_logging(**_: Any) -> None:
    """Keep Celery from bringing its own log format."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@task_postrun.connect
def note_that_tasks_run(**_: Any) -> None:
    """Note for `/healthz` that a task has just ended."""
    from django.core.cache import cache

    cache.set(LAST_TASK, time.time(), timeout=None)
