"""Zones in the portal: their records, where their newest version is, and the versions before."""

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.views import ChangeList

from dnszones.forms import RecordForm, RecordFormSet
from dnszones.models import Challenge, NameServer, Record, Site, Zone, ZoneVersion
from dnszones.services import zones_publish_anyway
from dnszones.statuses import zone_statuses
from domains.hostnames import searched_hostname
from edge.admin import ReadOnlyAdmin
from edge.status_line import LINE

#: Versions on the page of a zone; records on one page of it.
SHOWN, ROWS = 10, 50


class NameServerInline(TabularInline):
    model = NameServer
    verbose_name_plural = "Name servers: the secondaries, by the names that the world asks for"
    fields = ["name", "ipv4", "ipv6"]
    extra = 0
    hide_title = True


class RecordInline(TabularInline):
    model = Record
    form = RecordForm
    formset = RecordFormSet
    verbose_name_plural = "Records: what you answer yourself; your domains are answered without one"
    fields = ["name", "type", "value", "ttl"]
    extra = 0
    per_page = ROWS
    hide_title = True

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "value":
            field.widget.attrs["rows"] = 1
        return field


class ZoneChangeList(ChangeList):
    """A list page that asks once for the lines of all its rows."""

    result_list: list[Any]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        statuses = zone_statuses(self.result_list)
        for zone in self.result_list:
            zone.status = statuses[zone.pk]


@admin.register(Zone)
class ZoneAdmin(ModelAdmin):
    list_display = ["name", "status_line", "serves_sites", "enabled", "updated_at"]
    list_filter = ["enabled", "serves_sites"]
    search_fields = ["apex", "records__name", "records__value", "notes"]
    search_help_text = "A zone, a name or value of a record, or a word of the notes."
    ordering = ["apex"]
    readonly_fields = ["created_at", "updated_at"]
    empty_text = (
        "A zone is a name that your own name servers answer for. Add one with “gives the access names”, and "
        "each domain gets a name in it to point its CNAME at."
    )
    warn_unsaved_form = True
    change_form_outer_before_template = "dnszones/zone_panel.html"
    fieldsets = [
        (None, {"fields": ["apex", ("enabled", "serves_sites"), "default_ttl"]}),
        (
            "How secondaries and resolvers keep it (SOA)",
            {
                "classes": ["collapse"],
                "fields": [("mname", "rname"), ("refresh", "retry"), ("expire", "minimum")],
            },
        ),
        (
            "Notes, and what Cirrus has set",
            {"classes": ["collapse"], "fields": ["notes", ("created_at", "updated_at")]},
        ),
    ]
    inlines = [NameServerInline, RecordInline]
    actions = ["publish_anyway"]
    actions_submit_line = ["publish_this_anyway"]

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.status_view)
        return [path("<int:object_id>/status/", view, name="dnszones_zone_status"), *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ZoneChangeList]:
        return ZoneChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Zone], search_term: str
    ) -> tuple[models.QuerySet[Zone], bool]:
        return super().get_search_results(request, queryset, searched_hostname(search_term))

    def get_readonly_fields(self, request: HttpRequest, obj: Zone | None = None) -> list[str]:
        fields = list(super().get_readonly_fields(request, obj))
        return [*fields, "apex"] if obj else fields

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with the zones, counted: a list of 100,000 sites would help nobody."""
        zones = list(objs)
        parts = {"records": Record, "access names of domains": Site, "versions": ZoneVersion}
        counts = {
            name: model._default_manager.filter(zone__in=zones).count() for name, model in parts.items()
        }
        told = [str(zone) for zone in zones] + [
            f"{count:,} {name}" for name, count in counts.items() if count
        ]
        lacking = set() if self.has_delete_permission(request) else {"zone"}
        return told, counts, lacking, []

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        if obj:
            context |= panel_context(obj)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def status_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The panel alone, for the page that refreshes it while something is pending."""
        zone = self.get_queryset(request).filter(pk=object_id).first()
        if zone is None or not self.has_view_permission(request):
            raise Http404
        return TemplateResponse(request, "dnszones/zone_panel.html", panel_context(zone))

    @display(description="zone", ordering="apex")
    def name(self, zone: Zone) -> str:
        return str(zone)

    @admin.display(description="on the secondaries")
    def status_line(self, zone: Any) -> str:
        return render_to_string(LINE, {"line": zone.status})

    @admin.action(description="Publish anyway: even a build that was refused", permissions=["change"])
    def publish_anyway(self, request: HttpRequest, queryset: models.QuerySet[Zone]) -> None:
        zones_publish_anyway(zones=queryset)
        self.message_user(request, f"Asked to be published: {len(queryset)}.", messages.SUCCESS)

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """A button for what was refused, and for nothing else."""
        refused = object_id and Zone.objects.filter(pk=object_id).exclude(refusal="").exists()
        return super().get_actions_submit_line(request, object_id) if refused else []

    @action(description="Publish anyway", permissions=["change"])
    def publish_this_anyway(self, request: HttpRequest, obj: Zone) -> None:
        zones_publish_anyway(zones=[obj])
        self.message_user(request, "Asked to be published, although it was refused.", messages.SUCCESS)


def panel_context(zone: Zone) -> dict[str, Any]:
    """What the panel above a zone's form shows."""
    status = zone_statuses([zone])[zone.pk]
    return {
        "zone": zone,
        "zone_status": status,
        "zone_url": reverse("admin:dnszones_zone_status", args=[zone.pk]),
        "zone_states": zone.states.filter(secondary__enabled=True).select_related("secondary"),
        "zone_versions": zone.versions.all()[:SHOWN],
    }


@admin.register(ZoneVersion)
class ZoneVersionAdmin(ReadOnlyAdmin):
    list_display = ["serial", "zone", "published_at", "changed", "names", "insync"]
    list_filter = ["zone", ("insync_at", admin.EmptyFieldListFilter)]
    list_select_related = ["zone"]
    search_fields = ["zone__apex", "serial"]
    ordering = ["-pk"]
    show_full_result_count = False
    empty_text = "No zone has been published yet."
    fieldsets = [
        (None, {"fields": [("zone", "serial"), ("published_at", "insync_at"), "facts_at"]}),
        ("What is in it", {"fields": [("changed", "names"), "changed_list", "node_list", "replaced_ttl"]}),
    ]
    readonly_fields = ["changed_list", "node_list"]

    @display(description="in sync", empty_value="pending")
    def insync(self, version: ZoneVersion) -> str | None:
        if version.insync_at is None:
            return None
        return f"after {(version.insync_at - version.published_at).total_seconds():.2f} s"

    @display(description="changed names", empty_value="none")
    def changed_list(self, version: ZoneVersion) -> str | None:
        return ", ".join(version.changed_names) or None

    @display(description="nodes", empty_value="none")
    def node_list(self, version: ZoneVersion) -> str | None:
        return ", ".join(version.nodes) or None


@admin.register(Challenge)
class ChallengeAdmin(ReadOnlyAdmin):
    list_display = ["name", "zone", "created_at"]
    list_filter = ["zone"]
    search_fields = ["name", "zone__apex"]
    empty_text = "No certificate is being proven through the DNS now."
