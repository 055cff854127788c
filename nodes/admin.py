"""Regions and nodes in the portal. What an edge says of itself comes from `edge.admin`."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from nodes.errors import NodeStillServes
from nodes.models import Node, NodeEvent, Region, RegionBackup
from nodes.services import (
    LEAVING,
    node_add,
    node_drain,
    node_maintain,
    node_take_into_service,
    safe_to_stop,
)

#: State changes on the page of a node.
SHOWN = 20


class RegionBackupInline(TabularInline):
    model = RegionBackup
    fk_name = "region"
    verbose_name_plural = "Backups: who takes over, in turn, while no node of this region is healthy"
    fields = ["backup", "position"]
    autocomplete_fields = ["backup"]
    extra = 0


@admin.register(Region)
class RegionAdmin(ModelAdmin):
    list_display = ["name", "title", "node_count", "backup_list"]
    search_fields = ["name", "title"]
    ordering = ["name"]
    empty_text = "A region is a group of nodes that are near to the same clients; every node is in one."
    fieldsets = [(None, {"fields": ["name", "title"]})]
    inlines = [RegionBackupInline]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Region]:
        counted = super().get_queryset(request).annotate(node_count=models.Count("nodes"))
        return counted.prefetch_related("backup_rows__backup")

    @display(description="nodes", ordering="node_count")
    def node_count(self, region: Any) -> int:
        return region.node_count

    @display(description="backups", empty_value="all the others")
    def backup_list(self, region: Region) -> str:
        return ", ".join(row.backup.name for row in region.backup_rows.all())


@admin.register(Node)
class NodeAdmin(ModelAdmin):
    list_display = ["name", "region", "state_line", "roles", "addresses"]
    list_select_related = ["region"]
    list_filter = ["state", "region"]
    search_fields = ["name", "region__name", "ipv4", "ipv6", "notes"]
    search_help_text = "A name, a region, an address, or a word of the notes."
    ordering = ["name"]
    autocomplete_fields = ["region"]
    readonly_fields = ["created_at", "updated_at"]
    empty_text = "A node is one machine that runs an edge. Add it here, then start its edge there."
    warn_unsaved_form = True
    fieldsets = [
        (None, {"fields": [("name", "region"), "state"]}),
        ("What it does", {"fields": [("is_edge", "is_shield"), "weight"]}),
        ("Where it is", {"fields": [("ipv4", "ipv6"), ("status_address", "status_port")]}),
        (
            "Notes, and what Cirrus has set",
            {"classes": ["collapse"], "fields": ["notes", ("created_at", "updated_at")]},
        ),
    ]
    actions = ["take_into_service", "drain", "put_into_maintenance", "force_into_maintenance"]
    actions_submit_line = ["take_into_service_now", "drain_now", "maintain_now"]
    change_form_outer_after_template = "nodes/timeline.html"

    def get_readonly_fields(self, request: HttpRequest, obj: Node | None = None) -> list[str]:
        fields = list(super().get_readonly_fields(request, obj))
        # A form that was opened earlier would put back a state that has changed meanwhile.
        return [*fields, "name", "state"] if obj else fields

    def save_model(self, request: HttpRequest, obj: Node, form: Any, change: bool) -> None:
        if not change:
            return node_add(node=obj, by=request.user.get_username())
        # Only what the form shows: the probes may have changed the state since it was read.
        obj.save(update_fields=[*form.cleaned_data, "updated_at"])
        for button in self.get_actions_submit_line(request, obj.pk):
            if button.action_name in request.POST:
                button.method(request, obj)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        context["node_events"] = obj.events.all()[:SHOWN] if obj else None
        context["leaving"] = safe_to_stop(obj) if obj and obj.state in LEAVING else None
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    @display(description="state", ordering="state")
    def state_line(self, node: Node) -> str:
        leaving = node.state == Node.State.DRAINING
        return f"{node.state}: {safe_to_stop(node).sentence}" if leaving else node.state

    @display(description="roles")
    def roles(self, node: Node) -> str:
        return ", ".join(name for name, has in (("edge", node.is_edge), ("shield", node.is_shield)) if has)

    @display(description="addresses")
    def addresses(self, node: Node) -> str:
        return ", ".join(address for address in (node.ipv4, node.ipv6) if address)

    @admin.action(description="Take into service (state up)", permissions=["change"])
    def take_into_service(self, request: HttpRequest, queryset: models.QuerySet[Node]) -> None:
        self._change(request, queryset, node_take_into_service)

    @admin.action(description="Drain: no new clients (state draining)", permissions=["change"])
    def drain(self, request: HttpRequest, queryset: models.QuerySet[Node]) -> None:
        self._change(request, queryset, node_drain)

    @admin.action(description="Put into maintenance, where that is safe", permissions=["change"])
    def put_into_maintenance(self, request: HttpRequest, queryset: models.QuerySet[Node]) -> None:
        self._change(request, queryset, node_maintain)

    @admin.action(description="Force into maintenance: clients notice", permissions=["change"])
    def force_into_maintenance(self, request: HttpRequest, queryset: models.QuerySet[Node]) -> None:
        self._change(request, queryset, node_maintain, force=True)

    @action(description="Take into service", permissions=["change"])
    def take_into_service_now(self, request: HttpRequest, obj: Node) -> None:
        self._change(request, [obj], node_take_into_service)

    @action(description="Drain", permissions=["change"])
    def drain_now(self, request: HttpRequest, obj: Node) -> None:
        self._change(request, [obj], node_drain)

    @action(description="Put into maintenance", permissions=["change"])
    def maintain_now(self, request: HttpRequest, obj: Node) -> None:
        self._change(request, [obj], node_maintain)

    def _change(self, request: HttpRequest, nodes: Any, service: Callable[..., bool], **how: Any) -> None:
        changed: dict[str, list[str]] = {}
        for node in nodes:
            try:
                service(node=node, by=request.user.get_username(), **how)
            except NodeStillServes as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
            else:
                changed.setdefault(node.state, []).append(node.name)
        for state, names in changed.items():
            self.message_user(request, f"Now {state}: {', '.join(names)}.", messages.SUCCESS)


@admin.register(NodeEvent)
class NodeEventAdmin(ModelAdmin):
    list_display = ["node", "at", "old", "new", "by", "reason"]
    list_filter = ["new", "node"]
    list_select_related = ["node"]
    search_fields = ["node__name", "by", "reason"]
    ordering = ["-at", "-pk"]
    show_full_result_count = False
    empty_text = "No node has changed its state yet."
    fieldsets = [(None, {"fields": ["node", ("old", "new"), "reason", ("at", "by")]})]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
