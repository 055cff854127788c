"""One event, one line, in UTC, without passwords; from each kind of process."""

import io
import logging
import logging.config
import re

import pytest
from celery.signals import setup_logging

from cirrus_site.logs import LOGGING, LineFormatter


@pytest.fixture
def lines():
    """A logger that writes as ours do, and what it has written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(LOGGING["formatters"]["line"]["format"]))
    logger = logging.Logger("edge.outbox")
    logger.addHandler(handler)
    return logger, stream.getvalue


def test_an_event_is_one_line_that_begins_with_the_time_in_utc(lines):
    logger, written = lines
    logger.warning("saved, %s", "not yet published")

    line = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING edge\.outbox\[\d+\] saved, not yet published\n"
    assert re.fullmatch(line, written())


def test_a_traceback_stays_in_its_line(lines):
    logger, written = lines
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logger.exception("it failed")

    assert written().count("\n") == 1
    assert "Traceback" in written()
    assert "first\\nsecond" in written()


def test_a_password_in_an_address_is_not_written(lines):
    logger, written = lines
    logger.error("cannot connect to redis://control:very-secret@10.0.0.1:6379/0")
    logger.error("nor to postgres://cirrus:also-secret@db/cirrus")

    assert "secret" not in written()
    assert "redis://control:***@10.0.0.1:6379/0" in written()


def test_celery_leaves_the_logging_to_us():
    assert setup_logging.receivers


def test_every_logger_of_ours_reaches_the_one_handler():
    """Only Celery's and gunicorn's own loggers would bring handlers; they hand on instead."""
    for name in ("gunicorn.error", "gunicorn.access", "django", "django.server"):
        assert LOGGING["loggers"][name]["handlers"] == []
