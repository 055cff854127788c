"""Cache rules in the portal: their own pages, and their list on the page of their domain."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.decorators import display

from domains import limits
from domains.models import CacheCondition, CacheRule, Domain
from domains.rule_forms import ConditionFormSet, RuleRowForm
from domains.rule_summary import rule_line
from domains.services import rule_disable, rule_duplicate, rule_enable, rule_next_position


class RuleInline(TabularInline):
    model = CacheRule
    form = RuleRowForm
    verbose_name_plural = "Cache rules: the first one that fits is the only one that counts"
    fields = ["position", "rule", "enabled", "summary"]
    readonly_fields = ["rule", "summary"]
    extra = 0
    hide_title = True
    template = "domains/rules_inline.html"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[CacheRule]:
        return super().get_queryset(request).with_shadows().prefetch_related("conditions")

    def has_add_permission(self, request: HttpRequest, obj: Domain | None = None) -> bool:
        return False  # a rule is made on a page of its own

    @display(description="rule")
    def rule(self, rule: CacheRule) -> str:
        there = reverse("admin:domains_cacherule_change", args=[rule.pk])
        return format_html('<a href="{}" class="text-link underline">{}</a>', there, rule.name)

    @display(description="what it does")
    def summary(self, rule: CacheRule) -> str:
        return rule_line(rule)


class ShortListsMixin:
    """Lists that are typed one a line mostly have one or two values."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if isinstance(db_field, models.TextField):
            field.widget.attrs["rows"] = 3
        return field


class ConditionInline(ShortListsMixin, StackedInline):
    model = CacheCondition
    formset = ConditionFormSet
    verbose_name_plural = "Conditions: which requests it is for"
    extra = 0
    max_num = limits.CONDITIONS
    fieldsets = [(None, {"fields": [("what", "name"), "values", "negate"]})]

    def get_formset(self, request: HttpRequest, obj: CacheRule | None = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, validate_max=True, **kwargs)


@admin.register(CacheRule)
class CacheRuleAdmin(ShortListsMixin, ModelAdmin):
    list_display = ["name", "domain", "position", "enabled", "summary"]
    list_select_related = ["domain"]
    list_filter = ["enabled"]
    search_fields = ["name", "domain__host"]
    search_help_text = "A name of a rule, or a host name."
    ordering = ["domain__host", "position", "pk"]
    list_per_page = 50
    autocomplete_fields = ["domain"]
    warn_unsaved_form = True
    empty_text = "A rule says which answers of a domain are kept, how long, and what makes requests alike."
    fieldsets = [
        (None, {"fields": ["domain", ("name", "enabled"), ("position", "match")]}),
        ("Cache or not", {"fields": ["bypass", "force", "strip_cookies"]}),
        (
            "How long it is kept",
            {
                "description": "What is left empty is decided by the origin, else by the domain.",
                "fields": [
                    ("edge_ttl", "browser_ttl"),
                    "ttl_by_status",
                    ("stale_while_revalidate", "stale_if_error"),
                ],
            },
        ),
        (
            "What makes two requests alike",
            {
                "description": "Requests that are alike get the same object. The path always counts.",
                "fields": [
                    ("query_mode", "query_sort"),
                    "query_names",
                    ("key_headers", "key_cookies"),
                    "key_device",
                ],
            },
        ),
        ("Large files", {"fields": ["slices"]}),
    ]
    inlines = [ConditionInline]
    actions = ["enable", "disable", "duplicate"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[CacheRule]:
        return super().get_queryset(request).with_shadows().prefetch_related("conditions")

    def get_readonly_fields(self, request: HttpRequest, obj: CacheRule | None = None) -> list[str]:
        return ["domain"] if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        domain = str(initial.get("domain", ""))
        if domain.isdigit():
            initial["position"] = rule_next_position(domain_id=int(domain))
        return initial

    def response_post_save_add(self, request: HttpRequest, obj: CacheRule) -> HttpResponse:
        return HttpResponseRedirect(page_of_domain(obj.domain_id))  # where it says whether edges have it

    def response_post_save_change(self, request: HttpRequest, obj: CacheRule) -> HttpResponse:
        return HttpResponseRedirect(page_of_domain(obj.domain_id))

    @display(description="what it does")
    def summary(self, rule: CacheRule) -> str:
        return rule_line(rule)

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: models.QuerySet[CacheRule]) -> None:
        for rule in queryset:
            rule_enable(rule=rule)
        self.message_user(request, f"Enabled: {names(queryset)}.", messages.SUCCESS)

    @admin.action(description="Disable: as if they were not there", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: models.QuerySet[CacheRule]) -> None:
        for rule in queryset:
            rule_disable(rule=rule)
        self.message_user(request, f"Disabled: {names(queryset)}.", messages.SUCCESS)

    @admin.action(description="Duplicate: disabled copies, after the others", permissions=["add"])
    def duplicate(self, request: HttpRequest, queryset: models.QuerySet[CacheRule]) -> None:
        for rule in queryset:
            try:
                copy = rule_duplicate(rule=rule)
            except ValidationError as error:
                self.message_user(request, f"{rule}: {error.message}", messages.ERROR)
            else:
                self.message_user(request, f"Made a disabled copy: {copy}.", messages.SUCCESS)


def page_of_domain(domain_id: int) -> str:
    """The page on which a domain's rules are listed."""
    return reverse("admin:domains_domain_change", args=[domain_id])


def names(rules: models.QuerySet[CacheRule]) -> str:
    """The names of some rules for a message."""
    return ", ".join(rule.name for rule in rules) or "none"
