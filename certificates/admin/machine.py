"""What the machine does about certificates: orders, what waits, and how each domain is enrolled."""

import json
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from certificates.models import Authorization, Backoff, Enrollment, Order, TicketKey
from domains.hostnames import display_hostname
from edge.admin import ReadOnlyAdmin
from edge.statuses import names as listed


@admin.register(Enrollment)
class EnrollmentAdmin(ModelAdmin):
    """How the certificates of one domain are got: the few choices that an operator has."""

    list_display = ["domain", "source", "authority", "challenge", "key_type", "issued_at", "attempts"]
    list_filter = ["source", "challenge", "key_type", "authority"]
    list_select_related = ["domain", "authority"]
    search_fields = ["domain__host", "domain__hostnames__name"]
    ordering = ["domain__host"]
    show_full_result_count = False
    empty_text = "No domain serves HTTPS yet."
    fieldsets = [
        (None, {"fields": ["domain", ("source", "authority"), ("challenge", "key_type")]}),
        (
            "Where it stands",
            {
                "fields": [
                    ("issued_at", "requested_at"),
                    ("next_attempt_at", "renew_at"),
                    ("attempts", "first_failed_at"),
                    "problem",
                    ("ari_start", "ari_end"),
                    ("ari_check_at", "ari_explanation"),
                ]
            },
        ),
    ]
    readonly_fields = [
        "domain",
        "issued_at",
        "requested_at",
        "next_attempt_at",
        "renew_at",
        "attempts",
        "first_failed_at",
        "problem",
        "ari_start",
        "ari_end",
        "ari_check_at",
        "ari_explanation",
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a domain that serves HTTPS is enrolled by itself

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AuthorizationInline(TabularInline):
    model = Authorization
    verbose_name_plural = "What proves the names"
    fields = ["name", "wildcard", "challenge_type", "dns_name", "state"]
    readonly_fields = fields
    extra = 0
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "authority", "staging", "state", "sentence", "created_at", "ended_at"]
    list_filter = ["state", "staging", "authority", ("ended_at", admin.EmptyFieldListFilter)]
    list_select_related = ["enrollment__domain", "authority"]
    search_fields = ["enrollment__domain__host"]
    ordering = ["-pk"]
    show_full_result_count = False
    empty_text = "Nothing has been ordered from an authority yet."
    fieldsets = [
        (None, {"fields": ["name_list", ("authority", "staging"), "state", "sentence"]}),
        ("Times", {"fields": [("created_at", "changed_at"), ("due_at", "ended_at"), "expires_at"]}),
        ("For tracing", {"fields": ["url", "certificate_url", "replaces", "problem_document"]}),
    ]
    readonly_fields = ["name_list", "problem_document"]
    inlines = [AuthorizationInline]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Order]:
        return super().get_queryset(request).defer("key", "csr")

    @display(description="names")
    def name_list(self, order: Order) -> str:
        return listed([display_hostname(name) for name in order.names])

    @display(description="problem")
    def problem_document(self, order: Order) -> str | None:
        text = json.dumps(order.problem, ensure_ascii=False, indent=2)
        return format_html('<pre class="whitespace-pre-wrap">{}</pre>', text) if order.problem else None


@admin.register(Backoff)
class BackoffAdmin(ReadOnlyAdmin):
    list_display = ["name", "authority", "staging", "failures", "next_at", "problem"]
    list_filter = ["authority", "staging"]
    list_select_related = ["authority"]
    search_fields = ["name", "problem"]
    ordering = ["-next_at"]
    show_full_result_count = False
    empty_text = "No name waits: none has failed at an authority lately."
    fieldsets = [(None, {"fields": [("name", "authority", "staging"), ("failures", "next_at"), "problem"]})]


@admin.register(TicketKey)
class TicketKeyAdmin(ReadOnlyAdmin):
    list_display = ["label", "active_from", "created_at"]
    ordering = ["-active_from"]
    empty_text = "The edges have no common keys for session tickets yet; they are made by a scheduled job."
    fieldsets = [(None, {"fields": ["label", ("active_from", "created_at")]})]
