"""The scheduled jobs in the API: switched, given another interval, and run now. What they do is code."""

from functools import partial
from typing import Any

from django.db import transaction
from django_celery_beat.models import PeriodicTask
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from api.filters import FilterSet
from api.serializers import ModelSerializer
from api.viewsets import BaseViewSet, ReadMixin, UpdateMixin
from cirrus_site.jobs import job_run, job_seconds, job_set
from cirrus_site.schedule import JOBS

#: Seconds of a year: what runs less often is no job.
MOST = 366 * 24 * 3600
JOB: dict[str, Any] = {
    "id": 4,
    "name": "Publish what is left in the outbox",
    "task": "edge.tasks.drain_outbox",
    "enabled": True,
    "every": 5,
    "schedule": "every 5 seconds",
    "expire_seconds": 60,
    "description": "Saves publish at once; this picks up what could not be.",
    "last_run_at": "2026-11-24T10:00:00Z",
}


class JobSerializer(ModelSerializer[PeriodicTask]):
    every = serializers.IntegerField(
        source="interval_id",  # read and written as seconds, below
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MOST,
        help_text="Seconds from one run to the next. null: it has another schedule, made in the portal.",
    )
    enabled = serializers.BooleanField(required=False, help_text="Whether it runs as scheduled.")
    schedule = serializers.CharField(source="scheduler", read_only=True, help_text="For people.")

    class Meta:
        model = PeriodicTask
        fields = [
            *("id", "name", "task", "description", "enabled", "every", "schedule"),
            *("expire_seconds", "last_run_at"),
        ]
        read_only_fields = ["name", "task", "description", "expire_seconds", "last_run_at"]

    def to_representation(self, instance: PeriodicTask) -> dict[str, Any]:
        return {**super().to_representation(instance), "every": job_seconds(instance)}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        job: Any = self.instance
        if not self.partial:
            seeded = JOBS.get(job.name)
            attrs = {"enabled": True, "interval_id": seeded[1] if seeded else None, **attrs}
        every = attrs.get("interval_id")
        if every is not None and not job.interval:
            raise ValidationError({"every": ["It has no interval, but another schedule: see the portal."]})
        return attrs

    def update(self, instance: PeriodicTask, validated_data: dict[str, Any]) -> PeriodicTask:
        job_set(
            job=instance,
            enabled=validated_data.get("enabled"),
            seconds=validated_data.get("interval_id"),
        )
        return instance


class JobFilter(FilterSet):
    class Meta:
        model = PeriodicTask
        fields = ["name", "task", "enabled"]


class JobViewSet(ReadMixin, UpdateMixin, BaseViewSet):
    """Scheduled jobs. They come with Cirrus; one that was deleted in the portal comes back."""

    resource = "jobs"
    queryset = PeriodicTask.objects.select_related("interval", "crontab", "solar", "clocked")
    serializer_class = JobSerializer
    lookup_value_regex = "[0-9]{1,18}"
    asks_others = ["run"]  # the queue
    filterset_class = JobFilter
    search_fields = ["name", "task", "description"]
    ordering = ["name"]
    ordering_fields = ["name"]
    unversioned = ["last_run_at"]
    rehearsed = ["run"]
    example = JOB
    examples = {
        "update": {"request": {"enabled": True, "every": 5}, "response": JOB},
        "partial_update": {
            "request": {"enabled": False},
            "response": {**JOB, "enabled": False, "last_run_at": None},
        },
    }

    def what(self) -> str:
        return "job"

    @extend_schema(request=None, responses={202: JobSerializer})
    @action(detail=True, methods=["post"])
    def run(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Hand it to a worker now, also while it is disabled."""

        def change() -> tuple[PeriodicTask, int]:
            job = self.locked()
            transaction.on_commit(partial(job_run, job=job))
            return job, status.HTTP_202_ACCEPTED

        return self.carry_out(change)
