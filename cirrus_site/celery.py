"""The Celery application: `celery -A cirrus_site worker` and `… beat`."""

import logging.config
import os
import time
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from celery.signals import setup_logging, task_postrun
from kombu import Connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cirrus_site.settings")


class PromptConnection(Connection):
    """A connection that tries again within a second, however long Redis was away.

    Kombu's own pauses grow to half a minute, and saved changes would wait that long after an outage.
    """

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        """As in kombu, with pauses of 0.25 s to 1 s."""
        pauses = {"interval_start": 0.25, "interval_step": 0.25, "interval_max": 1}
        return super().ensure_connection(*args, **{**pauses, **kwargs})


class PromptAMQP(AMQP):
    Connection = PromptConnection


app = Celery("cirrus", amqp=PromptAMQP)
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
