"""Beat's schedule: seeded once, then the operator's."""

import pytest
from celery import current_app
from django.core.management import call_command
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from cirrus_site.celery import app
from cirrus_site.config import read_config
from cirrus_site.schedule import JOBS, followed_schedule, seed_schedule

pytestmark = pytest.mark.django_db


def test_migrating_seeds_every_job():
    assert set(PeriodicTask.objects.values_list("name", flat=True)) >= set(JOBS)


def test_every_job_names_a_task_that_a_worker_knows():
    current_app.loader.import_default_modules()
    for task, _seconds, _description in JOBS.values():
        assert task in current_app.tasks
    for job in followed_schedule(read_config({})).values():
        assert job["task"] in current_app.tasks


def start_beat(jobs):
    """What beat does with these when it starts. (Its scheduler would close the test's connection, too.)"""
    for name, job in jobs.items():
        ModelEntry.from_entry(name, app=app, **job)


def test_a_job_whose_interval_is_a_setting_follows_it_whenever_beat_starts():
    for seconds in ("5", "7"):
        jobs = followed_schedule(read_config({"CIRRUS_HEALTH_INTERVAL": seconds}))
        start_beat(jobs)
        job = PeriodicTask.objects.get(name="Probe the nodes")
        assert (job.interval.every, job.interval.period, job.expire_seconds) == (
            int(seconds),
            "seconds",
            int(seconds),
        )
        assert job.enabled and job.description


def test_a_job_that_follows_a_setting_stays_disabled_where_an_operator_has_disabled_it():
    jobs = followed_schedule(read_config({}))
    start_beat(jobs)
    PeriodicTask.objects.filter(name="Probe the nodes").update(enabled=False)
    start_beat(jobs)
    assert not PeriodicTask.objects.get(name="Probe the nodes").enabled


def test_what_beat_of_this_installation_starts_with_is_what_the_settings_say(settings):
    assert followed_schedule(settings.CIRRUS) == app.conf.beat_schedule


def test_seeding_again_changes_nothing():
    before = list(PeriodicTask.objects.order_by("pk").values())
    seed_schedule()
    assert list(PeriodicTask.objects.order_by("pk").values()) == before


def test_a_hand_edit_survives_the_next_migration():
    name = next(iter(JOBS))
    rarely, _ = IntervalSchedule.objects.get_or_create(every=2, period=IntervalSchedule.HOURS)
    PeriodicTask.objects.filter(name=name).update(enabled=False, interval=rarely)
    call_command("migrate", verbosity=0)
    job = PeriodicTask.objects.get(name=name)
    assert not job.enabled
    assert job.interval == rarely


def test_a_deleted_job_comes_back():
    name = next(iter(JOBS))
    PeriodicTask.objects.filter(name=name).delete()
    seed_schedule()
    assert PeriodicTask.objects.filter(name=name, enabled=True).exists()
