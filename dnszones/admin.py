"""The DNS in the portal: zones with their records, where each domain is answered from, the secondaries."""

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.views import ChangeList

from dnszones.forms import RecordForm, RecordFormSet, SecondaryForm, SiteForm
from dnszones.models import Challenge, NameServer, Record, Secondary, SecondaryState, Site, Zone, ZoneVersion
from dnszones.secondaries import secondary_give_key
from dnszones.services import access_name, zones_publish_anyway
from dnszones.statuses import zone_statuses
from dnszones.steering_admin import SteeringMixin
from domains.hostnames import display_hostname, searched_hostname
from domains.models import Domain
from edge.admin import PublishedDomainAdmin, ReadOnlyAdmin
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


@admin.register(Site)
class SiteAdmin(SteeringMixin, ModelAdmin):
    form = SiteForm
    list_display = ["host", "access", "replicas", "ttl", "override_list"]
    list_select_related = ["domain", "zone"]
    search_fields = ["domain__host", "domain__hostnames__name", "label"]
    search_help_text = "A host name, or an access name."
    ordering = ["domain__host"]
    show_full_result_count = False
    autocomplete_fields = ["pinned", "excluded", "regions"]
    readonly_fields = ["host", "access"]
    empty_text = (
        "Where each domain is answered from. There are none: add a zone that gives the access names, and "
        "domains."
    )
    fieldsets = [
        (None, {"fields": [("host", "access")]}),
        (
            "Only for this domain",
            {
                "description": "Empty fields are as for every domain.",
                "fields": [("replicas", "ttl"), "pinned", "excluded", "regions"],
            },
        ),
    ]
    actions_detail = ["who_serves"]
    actions_list = ["spread"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Site]:
        living = super().get_queryset(request).filter(domain__isnull=False)
        return living.prefetch_related("pinned", "excluded", "regions")

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Site], search_term: str
    ) -> tuple[models.QuerySet[Site], bool]:
        label = search_term.strip().split(".")[0]
        found, repeated = super().get_search_results(request, queryset, searched_hostname(search_term))
        return found | queryset.filter(label=label), repeated

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # each domain has one

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="domain", ordering="domain__host")
    def host(self, site: Site) -> str:
        return display_hostname(site.domain.host) if site.domain else ""

    @display(description="access name")
    def access(self, site: Site) -> str:
        return site.access_name

    @display(description="overrides", empty_value="none")
    def override_list(self, site: Site) -> str | None:
        parts = {"only": site.pinned.all(), "never": site.excluded.all(), "in": site.regions.all()}
        return (
            "; ".join(f"{word} {', '.join(map(str, some))}" for word, some in parts.items() if some) or None
        )


@admin.register(Challenge)
class ChallengeAdmin(ReadOnlyAdmin):
    list_display = ["name", "zone", "created_at"]
    list_filter = ["zone"]
    search_fields = ["name", "zone__apex"]
    empty_text = "No certificate is being proven through the DNS now."


admin.site.unregister(Domain)


@admin.register(Domain)
class AnsweredDomainAdmin(PublishedDomainAdmin):
    """The page of a domain, with the name that clients are pointed at."""

    readonly_fields = [*PublishedDomainAdmin.readonly_fields, "dns_name"]
    fieldsets = [
        (None, {"fields": ["host", "enabled", "dns_name"]}),
        *PublishedDomainAdmin.fieldsets[1:],
    ]
    actions_detail = [*PublishedDomainAdmin.actions_detail, "steer"]

    def has_steer_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("dnszones.view_site")

    @display(description="DNS")
    def dns_name(self, domain: Domain) -> str:
        name = access_name(domain) if domain.pk else ""
        if not name:
            return "There is no zone that gives access names, so its DNS is kept elsewhere."
        return format_html(
            "Point a CNAME at <code>{}</code>; names in zones of yours are answered alike.", name
        )

    @action(description="Steering", permissions=["steer"], icon="alt_route")
    def steer(self, request: HttpRequest, object_id: int) -> HttpResponse:
        site = Site.objects.filter(domain_id=object_id).first()
        if site is None:
            text = "The domain has no access name yet: a zone must give one before its nodes are chosen here."
            self.message_user(request, text, messages.WARNING)
            return HttpResponseRedirect(reverse("admin:domains_domain_change", args=[object_id]))
        return HttpResponseRedirect(reverse("admin:dnszones_site_change", args=[site.pk]))
