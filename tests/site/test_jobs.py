"""The scheduled jobs by hand, in the portal and by the API: with a real queue."""

import json

import pytest
import redis
from django.conf import settings
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, PeriodicTask, PeriodicTasks

from cirrus_site.jobs import JobUnknown, QueueUnreachable, job_run, job_set
from tests.api.conftest import client_with, secret_for, user_with

pytestmark = pytest.mark.django_db(transaction=True)

DRAIN = "Publish what is left in the outbox"


@pytest.fixture
def boss(keyspace):
    return client_with(secret_for(user_with("superuser")))


@pytest.fixture
def job():
    return PeriodicTask.objects.get(name=DRAIN)


def address(job, verb=""):
    return f"/api/v1/jobs/{job.pk}{verb}"


def queued():
    """The tasks that wait for a worker."""
    waiting = redis.Redis.from_url(settings.CELERY_BROKER_URL).lrange("celery:celery", 0, -1)
    return [json.loads(each)["headers"]["task"] for each in waiting]


def test_a_job_is_found_by_its_name_and_says_when_it_runs(boss, job):
    [found] = boss.get("/api/v1/jobs", {"search": "outbox"}).json()["results"]
    assert (found["id"], found["task"], found["every"]) == (job.pk, "edge.tasks.drain_outbox", 5)
    assert found["schedule"] == "every 5 seconds"


def test_a_job_is_disabled_and_given_another_interval_and_beat_is_told(boss, job):
    before = PeriodicTasks.last_change()
    answer = boss.patch(address(job), {"enabled": False, "every": 30})
    assert (answer.status_code, answer.json()["enabled"], answer.json()["every"]) == (200, False, 30)
    job.refresh_from_db()
    assert (job.enabled, job.interval.every, job.interval.period) == (False, 30, "seconds")
    assert PeriodicTasks.last_change() > before


def test_what_a_job_is_already_changes_nothing_and_beat_is_not_told(boss, job):
    before = PeriodicTasks.last_change()
    whole = boss.get(address(job)).json()
    assert boss.put(address(job), whole).json() == whole
    assert PeriodicTasks.last_change() == before


def test_a_put_of_nothing_brings_back_what_it_came_with(boss, job):
    job_set(job=job, enabled=False, seconds=90)
    answer = boss.put(address(job), {}).json()
    assert (answer["enabled"], answer["every"]) == (True, 5)


def test_a_job_with_a_crontab_keeps_it(boss, job):
    job.interval, job.crontab = None, CrontabSchedule.objects.create(minute="5")
    job.save()
    assert boss.get(address(job)).json()["every"] is None
    answer = boss.patch(address(job), {"every": 60})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "/every")
    assert boss.patch(address(job), {"enabled": False}).status_code == 200


@pytest.mark.parametrize("every", [0, -5, 10**12, "often"])
def test_an_interval_that_is_none_is_refused(boss, job, every):
    answer = boss.patch(address(job), {"every": every})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "/every")


def test_a_job_is_handed_to_a_worker_now_and_by_a_dry_run_not(boss, job):
    assert boss.post(address(job, "/run?dry_run=true")).json()["status"] == 202
    assert queued() == []
    assert boss.post(address(job, "/run")).status_code == 202
    assert queued() == ["edge.tasks.drain_outbox"]


def test_a_job_whose_task_is_gone_cannot_run(boss, job):
    PeriodicTask.objects.filter(pk=job.pk).update(task="nowhere.gone")
    answer = boss.post(address(job, "/run"))
    assert answer.status_code == 409 and "no task nowhere.gone" in answer.json()["detail"]
    job.refresh_from_db()
    with pytest.raises(JobUnknown):
        job_run(job=job)


def test_what_was_not_handed_over_is_not_told_as_done_when_it_is_asked_for_again(boss, job):
    PeriodicTask.objects.filter(pk=job.pk).update(task="nowhere.gone")
    run = lambda: boss.post(address(job, "/run"), HTTP_IDEMPOTENCY_KEY="a").status_code  # noqa: E731
    assert (run(), run(), queued()) == (409, 409, [])
    PeriodicTask.objects.filter(pk=job.pk).update(task=job.task)
    assert (run(), run(), queued()) == (202, 202, [job.task])


def test_without_a_queue_a_job_cannot_run_and_that_is_said(job, keyspace):
    keyspace.stop()
    with pytest.raises(QueueUnreachable):
        job_run(job=job)


def test_the_portal_does_the_same(admin_client, job, keyspace):
    there = reverse("admin:django_celery_beat_periodictask_changelist")

    def act(name):
        data = {"action": name, "_selected_action": [job.pk]}
        return admin_client.post(there, data, follow=True).content.decode()

    assert f"Now disabled: {DRAIN}." in act("disable_tasks")
    assert not PeriodicTask.objects.get(pk=job.pk).enabled
    assert f"Now enabled: {DRAIN}." in act("toggle_tasks")
    assert f"Now enabled: {DRAIN}." in act("enable_tasks")
    assert f"A worker has it: {DRAIN}." in act("run_tasks")
    assert queued() == ["edge.tasks.drain_outbox"]
