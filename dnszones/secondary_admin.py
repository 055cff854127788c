"""Secondaries in the portal: their keys, and what they were last seen to answer."""

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from dnszones.forms import SecondaryForm
from dnszones.models import Secondary, SecondaryState
from dnszones.secondaries import secondary_give_key

#: Zones on one page of a secondary.
ROWS = 50


class SecondaryStateInline(TabularInline):
    model = SecondaryState
    verbose_name_plural = "What it was last seen to answer"
    fields = ["zone", "serial", "soa_serial", "seen_at", "behind_since", "error"]
    readonly_fields = fields
    extra = 0
    per_page = ROWS
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Secondary)
class SecondaryAdmin(ModelAdmin):
    form = SecondaryForm
    list_display = ["name", "enabled", "authority", "insync_zones", "tsig_name"]
    list_filter = ["enabled"]
    search_fields = ["name", "address", "tsig_name", "notes"]
    ordering = ["name"]
    autocomplete_fields = ["zones"]
    empty_text = (
        "A secondary is a standard name server (NSD, Knot, BIND) that answers the world with your zones. Add "
        "it here; manage.py nsd_config --secondary NAME writes its configuration."
    )
    warn_unsaved_form = True
    fieldsets = [
        (None, {"fields": [("name", "enabled"), ("address", "port"), "zones"]}),
        ("Its key (TSIG)", {"fields": [("tsig_name", "tsig_algorithm"), "secret"]}),
        ("Notes", {"classes": ["collapse"], "fields": ["notes"]}),
    ]
    inlines = [SecondaryStateInline]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Secondary]:
        behind = models.Q(states__error="", states__behind_since=None, states__serial__isnull=False)
        counted = super().get_queryset(request)
        return counted.annotate(
            insync=models.Count("states", filter=behind, distinct=True),
            asked=models.Count("states", distinct=True),
        )

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self.inlines if obj else []

    def save_model(self, request: HttpRequest, obj: Secondary, form: Any, change: bool) -> None:
        secret = form.cleaned_data["secret"]
        if change and not secret:
            return super().save_model(request, obj, form, change)
        secondary_give_key(secondary=obj, secret=secret)
        if not change:
            command = f"manage.py nsd_config --secondary {obj.name}"
            self.message_user(request, f"{command} writes its configuration.", messages.INFO)

    @display(description="address")
    def authority(self, secondary: Secondary) -> str:
        address = secondary.address
        return f"[{address}]:{secondary.port}" if ":" in address else f"{address}:{secondary.port}"

    @display(description="zones in sync", empty_value="not asked yet")
    def insync_zones(self, secondary: Any) -> str | None:
        return f"{secondary.insync} of {secondary.asked}" if secondary.asked else None
