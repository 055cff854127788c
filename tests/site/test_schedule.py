"""Beat's schedule: seeded once, then the operator's."""

import pytest
from celery import current_app
from django.core.management import call_command
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from cirrus_site.schedule import JOBS, seed_schedule

pytestmark = pytest.mark.django_db


def test_migrating_seeds_every_job():
    assert set(PeriodicTask.objects.values_list("name", flat=True)) >= set(JOBS)


def test_every_job_names_a_task_that_a_worker_knows():
    current_app.loader.import_default_modules()
    for task, _seconds, _description in JOBS.values():
        assert task in current_app.tasks


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
