"""What the edges have, in the portal: the line of each domain and node, the outbox, the publications.

The pages of domains and nodes are registered once more here, with the line in front; see
`edge.status_line` for why they cannot bring it themselves.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from domains.admin import DomainAdmin
from domains.models import Domain
from edge import services
from edge.edge_line import edge_facts, edge_line
from edge.explain_admin import WhyMixin
from edge.health.lines import health_line, nodes_health, vantage_rows, view_facts
from edge.models import Kind, Outbox, Publication
from edge.purges.admin import PurgingMixin
from edge.status_line import LINE, PublishingMixin, StatusChangeList, StatusLineMixin
from edge.traffic_panel import TrafficPanelMixin
from nodes.admin import NodeAdmin, RegionAdmin
from nodes.models import Node, NodeEvent, Region

admin.site.unregister([Domain, Node, Region])


@admin.register(Domain)
class PublishedDomainAdmin(StatusLineMixin, PurgingMixin, WhyMixin, TrafficPanelMixin, DomainAdmin):
    published_kind = Kind.DOMAIN
    actions = [*DomainAdmin.actions, "purge_everything", "publish_again"]
    actions_detail = ["purge_some", "purge_all", *DomainAdmin.actions_detail, "why"]


class PartsMixin:
    """In front of an admin class whose rows have parts that go with them, and that nobody deletes alone.

    Django would ask the pages of the parts, which refuse everybody, and so nobody could delete the whole.
    """

    parts: Sequence[type[models.Model]] = ()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        told, counts, lacking, protected = super().get_deleted_objects(objs, request)  # type: ignore[misc]
        return told, counts, lacking - {part._meta.verbose_name for part in self.parts}, protected


class NodeChangeList(StatusChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        states = {state.node.pk: state for state in services.edge_states()}
        health = nodes_health(self.result_list)
        for node in self.result_list:
            node.edge_state = states.get(node.pk)
            node.health = health[node.name]


@admin.register(Node)
class PublishedNodeAdmin(StatusLineMixin, PartsMixin, NodeAdmin):
    published_kind = Kind.NODE
    parts = [NodeEvent]
    change_form_outer_before_template = "edge/node_panel.html"
    list_display = [NodeAdmin.list_display[0], "health", "edge_says", *NodeAdmin.list_display[1:]]
    actions = [*NodeAdmin.actions, "publish_again"]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[StatusChangeList]:
        return NodeChangeList

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        state = next((s for s in services.edge_states() if obj and s.node.pk == obj.pk), None)
        if state:
            context |= {
                "edge_state": state,
                "edge_line": edge_line(state),
                "edge_facts": edge_facts(state, now=timezone.now()),
            }
        if obj:
            health = nodes_health([obj])[obj.name]
            context |= {
                "health_line": health_line(health),
                "health_rows": vantage_rows(health),
                "health_facts": view_facts(health),
            }
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    @display(description="health")
    def health(self, node: Any) -> str:
        return render_to_string(LINE, {"line": health_line(node.health)})

    @display(description="its edge", empty_value="no edge")
    def edge_says(self, node: Any) -> str | None:
        return render_to_string(LINE, {"line": edge_line(node.edge_state)}) if node.edge_state else None


@admin.register(Region)
class PublishedRegionAdmin(PublishingMixin, RegionAdmin):
    published_kind = Kind.NODE  # a region is a field of its nodes' documents

    def published_ids(self, object_ids: list[int]) -> list[int]:
        return list(Node.objects.filter(region__in=object_ids).values_list("pk", flat=True))


class ReadOnlyAdmin(ModelAdmin):
    """Machine state: to be looked at."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Outbox)
class OutboxAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "staged_at", "error", "attempts", "retry_at"]
    list_filter = ["kind", ("error", admin.EmptyFieldListFilter)]
    search_fields = ["object_id", "error"]
    ordering = ["pk"]
    show_full_result_count = False
    empty_text = "Nothing waits: every change that was saved is in Redis."
    fieldsets = [(None, {"fields": [("kind", "object_id"), "staged_at", "error", ("attempts", "retry_at")]})]
    actions = ["try_again"]

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("edge.change_outbox")

    @admin.action(description="Try again", permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: models.QuerySet[Outbox]) -> None:
        services.outbox_retry(ids=list(queryset.values_list("pk", flat=True)))
        self.message_user(request, "Tried again; what is still listed could not be published.", messages.INFO)


@admin.register(Publication)
class PublicationAdmin(ReadOnlyAdmin):
    list_display = ["key", "kind", "rev", "live", "saved_at", "seconds_to_redis", "seconds_to_edges"]
    list_filter = ["kind", "live", ("applied_at", admin.EmptyFieldListFilter)]
    search_fields = ["key"]
    ordering = ["-rev"]
    show_full_result_count = False
    empty_text = "Nothing has been published yet: add a node, then a domain with an origin."
    fieldsets = [
        (None, {"fields": [("kind", "key"), ("rev", "epoch"), "live"]}),
        ("Who has applied it", {"fields": ["answers"]}),
        ("Times", {"fields": [("saved_at", "published_at"), ("applied_at", "applied_by")]}),
        ("For tracing", {"fields": [("stream_id", "digest"), "object_id"]}),
    ]
    readonly_fields = ["answers"]
    actions = ["publish_again"]

    def has_republish_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("edge.change_publication")

    @display(description="save to Redis")
    def seconds_to_redis(self, publication: Publication) -> str:
        return f"{(publication.published_at - publication.saved_at).total_seconds():.2f} s"

    @display(description="save to the last edge", empty_value="not yet")
    def seconds_to_edges(self, publication: Publication) -> str | None:
        if publication.applied_at is None:
            return None
        return f"{(publication.applied_at - publication.saved_at).total_seconds():.2f} s"

    @display(description="edges", empty_value="no edge is up to serve it")
    def answers(self, publication: Publication) -> str | None:
        edges = services.change_status(rev=publication.rev).edges
        return ", ".join(f"{e.node}: {e.answer}" + (f" ({e.why})" if e.why else "") for e in edges) or None

    @admin.action(description="Publish again, even if nothing has changed", permissions=["republish"])
    def publish_again(self, request: HttpRequest, queryset: models.QuerySet[Publication]) -> None:
        for kind in Kind.values:
            ids = list(queryset.filter(kind=kind).values_list("object_id", flat=True))
            services.objects_republish(kind=kind, object_ids=ids)
        self.message_user(request, f"Asked to be published again: {len(queryset)}.", messages.SUCCESS)
