"""How every process of the control plane logs: one event, one line, UTC, without passwords.

    2026-11-24T08:15:30.123Z WARNING edge.projection[4711] saved, not yet published: …

Django, Celery (`cirrus_site.celery`) and gunicorn (`cirrus_site.gunicorn_conf`) all use `LOGGING`, so that
their lines can be read, and shipped, alike.
"""

import logging
import re
import time
from typing import Any

#: The password in a URL (redis://user:password@host), as drivers put it into their errors.
_URL_PASSWORD = re.compile(r"(\w+://[^\s:/@]*):[^\s/@]+@")
#: Line breaks; those of a traceback too, because half a line is worse than a long one.
_BREAKS = str.maketrans({"\n": "\\n", "\r": "\\r"})


class LineFormatter(logging.Formatter):
    """Formats a record, its traceback included, as one line. Times are UTC with milliseconds."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        return _URL_PASSWORD.sub(r"\1:***@", super().format(record)).translate(_BREAKS)


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "cirrus_site.logs.LineFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s[%(process)d] %(message)s",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        # Django brings handlers of its own (mail to admins, a console in debug mode): ours is enough.
        "django": {"handlers": [], "level": "INFO"},
        "django.request": {"level": "ERROR"},
        "django.server": {"handlers": [], "propagate": True, "level": "INFO"},
        # One line for every task that ran well is no news: the outbox is drained every few seconds.
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        # Nor is one for every probe of a node.
        "httpx2": {"level": "WARNING"},
        "gunicorn.error": {"handlers": [], "propagate": True},
        "gunicorn.access": {"handlers": [], "propagate": True},
    },
}
