"""Regions and nodes in the portal. What an edge says of itself comes from `edge.admin`."""

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from nodes.models import Node, Region
from nodes.services import node_set_state


@admin.register(Region)
class RegionAdmin(ModelAdmin):
    list_display = ["name", "title", "node_count"]
    search_fields = ["name", "title"]
    ordering = ["name"]
    empty_text = "A region is a group of nodes that are near to the same clients; every node is in one."
    fieldsets = [(None, {"fields": ["name", "title"]})]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Region]:
        return super().get_queryset(request).annotate(node_count=models.Count("nodes"))

    @display(description="nodes", ordering="node_count")
    def node_count(self, region: Any) -> int:
        return region.node_count


@admin.register(Node)
class NodeAdmin(ModelAdmin):
    list_display = ["name", "region", "state", "roles", "addresses"]
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
    actions = ["take_into_service", "drain", "put_into_maintenance"]

    def get_readonly_fields(self, request: HttpRequest, obj: Node | None = None) -> list[str]:
        fields = list(super().get_readonly_fields(request, obj))
        return [*fields, "name"] if obj else fields

    @display(description="roles")
    def roles(self, node: Node) -> str:
        return ", ".join(name for name, has in (("edge", node.is_edge), ("shield", node.is_shield)) if has)

    @display(description="addresses")
    def addresses(self, node: Node) -> str:
        return ", ".join(address for address in (node.ipv4, node.ipv6) if address)

    @admin.action(description="Take into service (state up)", permissions=["change"])
    def take_into_service(self, request: HttpRequest, queryset: models.QuerySet[Node]) -> None:
        self._set_state(request, queryset, Node.State.UP)

    @admin.action(description="Drain: no new clients (state draining)", permissions=["change"])
    def drain(self, request: HttpRequest, queryset: models.QuerySet[Node]) -> None:
        self._set_state(request, queryset, Node.State.DRAINING)

    @admin.action(description="Put into maintenance: changes do not wait for it", permissions=["change"])
    def put_into_maintenance(self, request: HttpRequest, queryset: models.QuerySet[Node]) -> None:
        self._set_state(request, queryset, Node.State.MAINTENANCE)

    def _set_state(self, request: HttpRequest, nodes: models.QuerySet[Node], state: Node.State) -> None:
        for node in nodes:
            node_set_state(node=node, state=state)
        names = ", ".join(node.name for node in nodes)
        self.message_user(request, f"Now {state.label}: {names}.", messages.SUCCESS)
