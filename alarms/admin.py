"""Alarms in the portal: to be read. They close by themselves when their cause is gone."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from alarms.models import Alarm


class OpenFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "open"), ("over", "over")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Alarm]) -> models.QuerySet[Alarm]:
        if self.value() is None:
            return queryset
        return queryset.filter(cleared_at__isnull=self.value() == "open")


@admin.register(Alarm)
class AlarmAdmin(ModelAdmin):
    list_display = ["sentence", "state", "severity", "kind", "subject", "raised_at", "cleared_at"]
    list_filter = [OpenFilter, "severity", "kind"]
    search_fields = ["kind", "subject", "sentence"]
    show_full_result_count = False
    empty_text = "Nothing is wrong, and nothing has been in the last 90 days."
    fieldsets = [
        (None, {"fields": ["sentence", ("severity", "kind", "subject")]}),
        ("Times", {"fields": [("raised_at", "changed_at", "cleared_at")]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="state", label={"open": "danger", "over": "success"})
    def state(self, alarm: Alarm) -> str:
        return "over" if alarm.cleared_at else "open"
