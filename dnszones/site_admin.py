"""Where each domain is answered from, in the portal; and the page of a domain, with its name in the DNS."""

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from dnszones.forms import SiteForm
from dnszones.models import Site, Zone
from dnszones.services import access_name
from dnszones.steering_admin import SteeringMixin
from domains.hostnames import display_hostname, searched_hostname
from domains.models import Domain
from edge.admin import PublishedDomainAdmin


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
        if not domain.pk and Zone.objects.filter(serves_sites=True).exists():
            return "Once it is saved, the name to point a CNAME at stands here."
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
