"""Domains in the portal. The line that says where a domain is served comes from `edge.admin`."""

from typing import Any

from django.contrib import admin, messages
from django.db import IntegrityError, OperationalError, models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.decorators import action, display

from domains import limits
from domains.forms import AliasForm, AliasFormSet
from domains.hostnames import searched_hostname
from domains.models import Domain, HostName, Origin
from domains.rule_admin import RuleInline
from domains.services import domain_disable, domain_enable

#: How often one save may lose a race for a name; each loss means that somebody else has won.
RACES = 3


class OriginsFilter(admin.SimpleListFilter):
    title = "origins"
    parameter_name = "origins"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("none", "without an origin"), ("some", "with an origin")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Domain]) -> models.QuerySet[Domain]:
        if self.value() in ("none", "some"):
            return queryset.filter(origins__isnull=self.value() == "none").distinct()
        return queryset


class AliasInline(TabularInline):
    model = HostName
    form = AliasForm
    formset = AliasFormSet
    verbose_name = "alias"
    verbose_name_plural = "Aliases: further names of the same site"
    extra = 0
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[HostName]:
        return super().get_queryset(request).filter(primary=False)


class OriginInline(StackedInline):
    model = Origin
    verbose_name_plural = "Origins: the servers that have the content"
    extra = 0
    max_num = limits.ORIGINS
    fieldsets = [
        (None, {"fields": [("host", "scheme"), ("port", "weight"), "backup"]}),
        (
            "What the origin is asked for, and how long we wait",
            {"fields": [("host_header", "sni"), ("connect_timeout", "read_timeout"), "verify"]},
        ),
    ]

    def get_formset(self, request: HttpRequest, obj: Domain | None = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, validate_max=True, **kwargs)


@admin.register(Domain)
class DomainAdmin(ModelAdmin):
    list_display = ["name", "enabled", "origin_list", "alias_list", "updated_at"]
    list_filter = ["enabled", OriginsFilter]
    search_fields = ["host", "hostnames__name", "origins__host", "access_name", "notes"]
    search_help_text = "A host name, an alias, an origin, or a word of the notes."
    ordering = ["host"]
    list_per_page = 50
    readonly_fields = ["access_name", "created_at", "updated_at"]
    empty_text = "A domain is a site that your edges serve: its names, its origins, how long answers keep."
    warn_unsaved_form = True
    fieldsets = [
        (None, {"fields": ["host", "enabled"]}),
        (
            "How long answers keep",
            {
                "description": "An origin's own Cache-Control wins; these are for where it is silent.",
                "fields": [
                    ("default_ttl", "negative_ttl"),
                    "max_ttl",
                    ("stale_while_revalidate", "stale_if_error"),
                    "guard",
                ],
            },
        ),
        (
            "Notes, and what Cirrus has set",
            {"classes": ["collapse"], "fields": ["notes", "access_name", ("created_at", "updated_at")]},
        ),
    ]
    inlines = [OriginInline, AliasInline, RuleInline]
    actions = ["enable", "disable"]
    actions_detail = ["add_rule", "list_rules"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Domain]:
        return super().get_queryset(request).prefetch_related("hostnames", "origins")

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Domain], search_term: str
    ) -> tuple[models.QuerySet[Domain], bool]:
        return super().get_search_results(request, queryset, searched_hostname(search_term))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Let the loser of a race for a host name be told so, at the field.

        Another person may claim a name between our look and our write; the database refuses the
        second (or ends the deadlock of two who claim each other's names). Validated once more, the
        form meets the winner's claim and says whose it is.
        """
        for _ in range(RACES):
            try:
                return super().changeform_view(request, *args, **kwargs)
            except (IntegrityError, OperationalError):
                continue
        return super().changeform_view(request, *args, **kwargs)

    def has_add_rule_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("domains.add_cacherule")

    def has_list_rules_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("domains.view_cacherule")

    @action(description="Add rule", permissions=["add_rule"], icon="add")
    def add_rule(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:domains_cacherule_add')}?domain={object_id}")

    @action(description="Rules", permissions=["list_rules"], icon="rule")
    def list_rules(self, request: HttpRequest, object_id: int) -> HttpResponse:
        there = reverse("admin:domains_cacherule_changelist")
        return HttpResponseRedirect(f"{there}?domain__id__exact={object_id}")

    @display(description="host name", ordering="host")
    def name(self, domain: Domain) -> str:
        return str(domain)

    @display(description="origins", empty_value="none")
    def origin_list(self, domain: Domain) -> str | None:
        return shortened([str(origin) for origin in domain.origins.all()])

    @display(description="aliases")
    def alias_list(self, domain: Domain) -> str | None:
        return shortened([str(name) for name in domain.hostnames.all() if not name.primary])

    @admin.action(description="Enable: let the edges serve them", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: models.QuerySet[Domain]) -> None:
        for domain in queryset:
            domain_enable(domain=domain)
        self.message_user(request, f"Enabled: {listed(queryset)}.", messages.SUCCESS)

    @admin.action(description="Disable: withdraw them from the edges…", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: models.QuerySet[Domain]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            context = {**self.admin_site.each_context(request), "opts": self.opts, "domains": queryset}
            context["title"] = "Disable these domains?"
            return TemplateResponse(request, "admin/domains/domain/disable_confirmation.html", context)
        for domain in queryset:
            domain_disable(domain=domain)
        self.message_user(request, f"Disabled: {listed(queryset)}.", messages.SUCCESS)
        return None


def shortened(texts: list[str], *, keep: int = 2) -> str | None:
    """The first few of a list, and how many more there are: “a, b and 3 more”."""
    more = len(texts) - keep
    return ", ".join(texts[:keep]) + (f" and {more} more" if more > 0 else "") if texts else None


def listed(domains: models.QuerySet[Domain]) -> str:
    """The names of some domains for a message."""
    return shortened([str(domain) for domain in domains], keep=5) or "none"
