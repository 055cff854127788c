"""All certificates in the portal: uploaded here, looked at, taken along as a file; and when they end."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.views import ChangeList

from certificates.admin.calendar import endings, weeks
from certificates.admin.domains import chain_response
from certificates.admin.forms import UploadForm
from certificates.admin.panel import duration_words
from certificates.models import Certificate, Enrollment
from certificates.renewal.policy import Life
from domains.hostnames import display_hostname
from domains.models import Domain
from edge.statuses import names as listed


class InUseFilter(admin.SimpleListFilter):
    """Those that edges serve now are mostly what one looks for."""

    title = "use"
    parameter_name = "use"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("served", "served"), ("previous", "kept for a step back"), ("none", "not in use")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        served, kept = (
            models.Exists(Enrollment.objects.filter(**{use: models.OuterRef("pk")}))
            for use in ("current", "previous")
        )
        found = {
            "served": queryset.filter(served),
            "previous": queryset.filter(~served, kept),
            "none": queryset.filter(~served, ~kept),
        }
        return found.get(self.value() or "", queryset)


class CertificateChangeList(ChangeList):
    """A list page that asks once who uses its rows."""

    result_list: list[Any]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        users = users_of(self.result_list)
        for certificate in self.result_list:
            certificate.users = users[certificate.pk]


def users_of(certificates: Sequence[Certificate]) -> dict[int, list[str]]:
    """Certificate → the domains that serve it, then those that keep it for a step back."""
    found: dict[int, list[str]] = {certificate.pk: [] for certificate in certificates}
    for use, how in (
        ("current", ""),
        ("candidate", " (being tried)"),
        ("previous", " (kept for a step back)"),
    ):
        rows = Enrollment.objects.filter(**{f"{use}__in": [*found]}).order_by("domain__host")
        for pk, host in rows.values_list(use, "domain__host"):
            found[pk].append(f"{display_hostname(host)}{how}")
    return found


@admin.register(Certificate)
class CertificateAdmin(ModelAdmin):
    form = UploadForm
    list_display = ["name", "used_by", "issuer", "source", "not_after", "left", "served_on"]
    list_filter = [InUseFilter, "source", ("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["names", "issuer", "serial", "fingerprint"]
    search_help_text = "A name in it, its issuer, its serial number or its fingerprint."
    ordering = ["not_after"]
    show_full_result_count = False
    list_per_page = 50
    empty_text = (
        "There is no certificate yet. Turn on “Serve HTTPS” for a domain, and one is requested; or upload "
        "one that you have."
    )
    add_fieldsets = [
        (None, {"fields": ["domains"]}),
        ("PEM", {"fields": ["certificate_text", "certificate_file", "key_text", "key_file"]}),
        ("PKCS#12", {"fields": ["pkcs12_file"]}),
        ("Password and confirmation", {"fields": ["password", "confirmed"]}),
    ]
    fieldsets = [
        (
            None,
            {"fields": ["name_list", "used_by", ("source", "issuer"), ("not_before", "not_after"), "left"]},
        ),
        ("Where it is", {"fields": ["served_list"]}),
        (
            "For tracing",
            {
                "fields": [
                    "fingerprint",
                    "serial",
                    ("key_type", "created_at"),
                    ("revoked_at", "revocation_reason"),
                ]
            },
        ),
    ]
    readonly_fields = ["name_list", "used_by", "left", "served_list"]
    actions_list = ["calendar"]
    actions_detail = ["export"]

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.calendar_view)
        return [path("calendar/", view, name="certificates_calendar"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Certificate]:
        return super().get_queryset(request).defer("chain", "key")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[CertificateChangeList]:
        return CertificateChangeList

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a certificate is what it is

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # old ones go by themselves, those in use never

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj else self.add_fieldsets

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj:  # only looked at
            kwargs["form"] = ModelForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        domain = Domain.objects.filter(pk=request.GET.get("domain") or 0).first()
        return {"domains": display_hostname(domain.host)} if domain else {}

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # One button: an upload leads to the page that follows it.
        buttons = {"show_save_and_continue": False, "show_save_and_add_another": False}
        title = {"title": "Upload a certificate"}
        return super().add_view(request, form_url, {**(extra_context or {}), **buttons, **title})

    def save_model(self, request: HttpRequest, obj: Certificate, form: Any, change: bool) -> None:
        # The form has saved it.
        request.uploaded = form.uploaded  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: Certificate, post_url_continue: Any = None
    ) -> HttpResponse:
        uploaded = request.uploaded  # type: ignore[attr-defined]
        for note in uploaded.notes:
            messages.warning(request, note)
        for sentence in uploaded.sentences:
            messages.success(request, sentence)
        for domain in uploaded.domains:
            if not domain.tls:
                messages.warning(request, f"{domain} does not serve HTTPS yet: tick “Serve HTTPS” there.")
        if len(uploaded.domains) == 1:
            return HttpResponseRedirect(reverse("admin:domains_domain_change", args=[uploaded.domains[0].pk]))
        return HttpResponseRedirect(reverse("admin:certificates_certificate_change", args=[obj.pk]))

    def has_calendar_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.has_view_permission(request)

    @action(description="Calendar: when they end", permissions=["calendar"], icon="calendar_month")
    def calendar(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:certificates_calendar"))

    def calendar_view(self, request: HttpRequest) -> HttpResponse:
        """When certificates end, by week."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "When certificates end",
            "weeks": weeks(endings(), now=timezone.now()),
        }
        return TemplateResponse(request, "certificates/calendar.html", context)

    @action(description="Export the chain", permissions=["calendar"], icon="download")
    def export(self, request: HttpRequest, object_id: int) -> HttpResponse:
        certificate = get_object_or_404(self.get_queryset(request), pk=object_id)
        return chain_response(certificate, str(next(iter(certificate.names), "certificate")))

    @display(description="names", ordering="not_after")
    def name(self, certificate: Certificate) -> str:
        return listed([display_hostname(name) for name in certificate.names]) if certificate.names else "none"

    @display(description="names")
    def name_list(self, certificate: Certificate) -> str:
        return ", ".join(display_hostname(name) for name in certificate.names)

    @display(description="used by", empty_value="nobody")
    def used_by(self, certificate: Any) -> str | None:
        users = getattr(certificate, "users", None)
        if users is None:
            users = users_of([certificate])[certificate.pk]
        return listed(users) if users else None

    @display(description="life left")
    def left(self, certificate: Certificate) -> str:
        now = timezone.now()
        life = Life(certificate.not_before, certificate.not_after)
        if certificate.revoked_at:
            return "revoked"
        if life.left(now).total_seconds() <= 0:
            return "ended"
        return f"{life.share_left(now):.0%}, {duration_words(life.left(now))}"

    @display(description="served on", empty_value="not looked at")
    def served_on(self, certificate: Certificate) -> str | None:
        good = sum(bool(said.get("ok")) for said in certificate.served.values())
        return f"{good} of {len(certificate.served)}" if certificate.served else None

    @display(description="edges", empty_value="none was looked at yet")
    def served_list(self, certificate: Certificate) -> str | None:
        rows = ((node, said.get("why") or "serves it") for node, said in sorted(certificate.served.items()))
        return format_html_join("", "<div>{}: {}</div>", rows) or None
