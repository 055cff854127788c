"""The pages of foreign apps, in the theme of ours: django-celery-beat's schedule."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from django_celery_beat.admin import ClockedScheduleAdmin as BeatClockedScheduleAdmin
from django_celery_beat.admin import CrontabScheduleAdmin as BeatCrontabScheduleAdmin
from django_celery_beat.admin import PeriodicTaskAdmin as BeatPeriodicTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm as BeatPeriodicTaskForm
from django_celery_beat.admin import TaskSelectWidget
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from cirrus_site.errors import CirrusError
from cirrus_site.jobs import job_run, job_set

admin.site.unregister([PeriodicTask, IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule])


class TaskSelect(UnfoldAdminSelectWidget, TaskSelectWidget):
    """The theme's select with the names of all tasks."""


class PeriodicTaskForm(BeatPeriodicTaskForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskSelect()


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(BeatPeriodicTaskAdmin, ModelAdmin):
    form = PeriodicTaskForm
    list_display = ["name", "enabled", "scheduler", "last_run_at"]
    list_filter = ["enabled", "one_off"]
    date_hierarchy = None
    search_fields = ["name", "task", "description"]
    change_form_template = "admin/change_form.html"  # beat's own has a script in its markup
    empty_text = "Without scheduled jobs nothing is retried or healed: manage.py migrate adds them again."

    # Beat's own actions ask for no right: whoever sees the list could stop the jobs.
    @admin.action(description="Enable", permissions=["change"])
    def enable_tasks(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        self._switch(request, queryset, lambda job: True)

    @admin.action(description="Disable", permissions=["change"])
    def disable_tasks(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        self._switch(request, queryset, lambda job: False)

    @admin.action(description="Enable what is disabled, and disable what is enabled", permissions=["change"])
    def toggle_tasks(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        self._switch(request, queryset, lambda job: not job.enabled)

    @admin.action(description="Run now", permissions=["change"])
    def run_tasks(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        for job in queryset:
            try:
                job_run(job=job)
            except CirrusError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.message_user(request, f"A worker has it: {job.name}.", messages.SUCCESS)

    def _switch(self, request: HttpRequest, jobs: Any, enabled: Callable[[Any], bool]) -> None:
        for job in jobs:
            job_set(job=job, enabled=enabled(job))
            word = "enabled" if job.enabled else "disabled"
            self.message_user(request, f"Now {word}: {job.name}.", messages.SUCCESS)


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(ModelAdmin):
    list_display = ["__str__", "every", "period"]
    empty_text = "An interval says how often a job runs."


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(BeatCrontabScheduleAdmin, ModelAdmin):
    inlines = ()
    empty_text = "A crontab says at which times a job runs."


@admin.register(ClockedSchedule)
class ClockedScheduleAdmin(BeatClockedScheduleAdmin, ModelAdmin):
    inlines = ()
    empty_text = "A clocked schedule runs a job once, at its time."


@admin.register(SolarSchedule)
class SolarScheduleAdmin(ModelAdmin):
    empty_text = "A solar schedule runs a job at sunrise, sunset or the like."
