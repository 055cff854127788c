"""/healthz: what works, for monitors."""

import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from cirrus_site.celery import LAST_TASK, note_that_tasks_run
from edge.models import Kind, Outbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def tasks_run(keyspace):
    note_that_tasks_run()


def test_everything_works(client, tasks_run):
    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"


def test_redis_down_is_degraded_because_saves_still_succeed(client, keyspace, tasks_run):
    keyspace.stop()
    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["redis"]) == ("degraded", "unreachable")


def test_a_change_that_waits_for_long_is_degraded(client, tasks_run):
    Outbox.objects.create(kind=Kind.DOMAIN, object_id=1, staged_at=timezone.now() - timedelta(minutes=5))
    answer = client.get("/healthz").json()

    assert answer["status"] == "degraded"
    assert answer["outbox_rows"] == 1
    assert 299 < answer["outbox_oldest_seconds"] < 330


def test_a_schedule_that_stands_still_is_degraded(client, keyspace):
    assert client.get("/healthz").json()["status"] == "degraded"
    cache.set(LAST_TASK, time.time() - 300)
    assert client.get("/healthz").json()["status"] == "degraded"


def test_without_the_database_it_is_down(keyspace):
    def unreachable(execute, sql, params, many, context):
        raise OperationalError("the database is away")

    with connection.execute_wrapper(unreachable):
        answer = Client().get("/healthz")

    assert answer.status_code == 503
    assert answer.json() == {"status": "down", "database": "unreachable"}
