"""The page of a domain, with HTTPS: its fields, the panel of its certificate, and what can be done to it."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from certificates.admin.forms import RevokeForm
from certificates.admin.panel import domain_panel, names_by_dns
from certificates.deployment.errors import NotReverted
from certificates.deployment.reverting import certificate_revert, reason_not_reverted
from certificates.deployment.storing import counts
from certificates.issuance.delegation import delegation_status
from certificates.issuance.errors import NotRevoked
from certificates.models import Certificate, Enrollment, Order
from certificates.services.enrollments import enrollment_ensure, enrollment_request
from certificates.services.revoking import enrollment_revoke
from certificates.services.situations import with_plans
from certificates.staging import wake
from dnszones.site_admin import AnsweredDomainAdmin
from domains.models import Domain
from edge.admin import PartsMixin

PANEL = "certificates/domain_panel.html"
DELEGATION = "certificates/delegation.html"

HTTPS = (
    "HTTPS",
    {
        "description": "Its certificate is requested and renewed by itself; how that stands is said above.",
        "fields": [
            ("tls", "https_only"),
            ("hsts_max_age", "hsts_subdomains"),
            "tls_policy",
            "client_auth",
            "client_ca",
        ],
    },
)

admin.site.unregister(Domain)


@admin.register(Domain)
class SecuredDomainAdmin(PartsMixin, AnsweredDomainAdmin):
    """The page of a domain, with its certificate."""

    change_form_outer_before_template = "certificates/domain_before.html"
    fieldsets = [AnsweredDomainAdmin.fieldsets[0], HTTPS, *AnsweredDomainAdmin.fieldsets[1:]]
    list_filter = [*AnsweredDomainAdmin.list_filter, "tls"]
    parts = [Enrollment, Order, Certificate]

    def get_urls(self) -> list[Any]:
        views = {
            "certificate": self.certificate_view,
            "delegation": self.delegation_view,
            "issue": self.issue_view,
            "revert": self.revert_view,
            "revoke": self.revoke_view,
            "export": self.export_view,
        }
        own = [
            path(f"<int:object_id>/{name}/", self.admin_site.admin_view(view), name=f"certificates_{name}")
            for name, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        if obj and request.user.has_perm("certificates.view_certificate"):
            context |= self._panel_context(request, obj)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def certificate_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The panel alone, for the page that refreshes it while something is under way."""
        domain = self._domain(request, object_id, "certificates.view_certificate")
        return TemplateResponse(request, PANEL, self._panel_context(request, domain))

    def delegation_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The DNS records that names need, and whether they are there: asked of the resolvers now."""
        domain = self._domain(request, object_id, "certificates.view_certificate")
        enrollment = with_plans(Enrollment.objects.filter(domain=domain)).first()
        rows = delegation_status(domain, names_by_dns(enrollment) if enrollment else ())
        url = reverse("admin:certificates_delegation", args=[domain.pk])
        missing = any(not row.found for row in rows)
        return TemplateResponse(
            request, DELEGATION, {"rows": rows, "delegation_url": url, "missing": missing}
        )

    def issue_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Have a certificate ordered now; also where one was uploaded, which it then takes over from."""
        domain = self._domain(request, object_id, "certificates.change_enrollment")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        enrollment = enrollment_ensure(domain=domain)
        if enrollment is None:
            return self._back(domain, request, messages.WARNING, "Turn on “Serve HTTPS” first.")
        if enrollment.source != Enrollment.Source.ACME:
            enrollment.source = Enrollment.Source.ACME
            enrollment.save(update_fields=["source"])
        enrollment_request(enrollment=enrollment)
        wake()
        self.log_change(request, domain, "Requested a certificate.")
        return self._back(
            domain, request, messages.SUCCESS, "A certificate is requested; this page follows it."
        )

    def revert_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask, then serve the certificate before again."""
        domain = self._domain(request, object_id, "certificates.change_enrollment")
        enrollment = self._enrollment(domain)
        if why := reason_not_reverted(enrollment):
            return self._back(domain, request, messages.ERROR, why)
        if request.method == "POST":
            try:
                certificate = certificate_revert(enrollment=enrollment)
            except NotReverted as error:
                return self._back(domain, request, messages.ERROR, str(error))
            text = f"The certificate before is served again: {certificate}."
            self.log_change(request, domain, text)
            return self._back(domain, request, messages.SUCCESS, text)
        context = self._page(request, domain, f"Serve the certificate of {domain} before again?")
        return TemplateResponse(request, "certificates/revert.html", {**context, "enrollment": enrollment})

    def revoke_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for the reason, then have the certificate revoked, and another one issued."""
        domain = self._domain(request, object_id, "certificates.change_enrollment")
        enrollment = self._enrollment(domain)
        certificate = enrollment.current
        if certificate is None or certificate.source != Certificate.Source.ACME or certificate.revoked_at:
            text = "Only what an authority has issued for Cirrus, and is not revoked, can be revoked here."
            return self._back(domain, request, messages.ERROR, text)
        form = RevokeForm(request.POST or None)
        if form.is_valid():
            try:
                enrollment_revoke(enrollment=enrollment, **form.cleaned_data)
            except NotRevoked as error:
                return self._back(domain, request, messages.ERROR, str(error))
            self.log_change(request, domain, f"Revoked its certificate: {form.cleaned_data['reason']}.")
            return self._back(domain, request, messages.SUCCESS, f"Revoked: {certificate}.")
        context = self._page(request, domain, f"Revoke the certificate of {domain}?")
        return TemplateResponse(
            request, "certificates/revoke.html", {**context, "form": form, "certificate": certificate}
        )

    def export_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The public chain that is served, as a file."""
        domain = self._domain(request, object_id, "certificates.view_certificate")
        certificate = self._enrollment(domain).current
        if certificate is None or not counts(certificate):
            raise Http404
        return chain_response(certificate, domain.host)

    def _panel_context(self, request: HttpRequest, domain: Domain) -> dict[str, Any]:
        may = request.user.has_perm
        return {
            "panel": domain_panel(domain, now=timezone.now()),
            "panel_domain": domain,
            "panel_url": reverse("admin:certificates_certificate", args=[domain.pk]),
            "may_change": may("certificates.change_enrollment"),
            "may_upload": may("certificates.add_certificate"),
        }

    def _domain(self, request: HttpRequest, object_id: int, permission: str) -> Domain:
        domain = get_object_or_404(self.get_queryset(request), pk=object_id)
        if not self.has_view_permission(request, domain) or not request.user.has_perm(permission):
            raise PermissionDenied
        return domain

    def _enrollment(self, domain: Domain) -> Enrollment:
        found = Enrollment.objects.select_related("domain", "current", "previous")
        return get_object_or_404(found, domain=domain)

    def _page(self, request: HttpRequest, domain: Domain, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": domain,
            "title": title,
        }

    def _back(self, domain: Domain, request: HttpRequest, level: int, text: str) -> HttpResponse:
        self.message_user(request, text, level)
        return HttpResponseRedirect(reverse("admin:domains_domain_change", args=[domain.pk]))


def chain_response(certificate: Certificate, host: str) -> HttpResponse:
    """The chain as a download."""
    name = host.replace("*", "wildcard")
    return HttpResponse(
        certificate.chain,
        content_type="application/pem-certificate-chain",
        headers={"Content-Disposition": f'attachment; filename="{name}.pem"'},
    )
