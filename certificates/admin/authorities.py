"""Certificate authorities in the portal: added from a list of well-known ones, tried, and watched."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from accounts.sealing import seal
from certificates.admin.directories import authority_test
from certificates.admin.forms import AuthorityForm
from certificates.admin.presets import PRESETS, preset_of
from certificates.models import Authority, AuthorityAccount, Backoff, Order
from certificates.renewal.breaker import State
from certificates.services.authorities import breaker_of
from edge.admin import PartsMixin
from edge.status_line import LINE
from edge.statuses import PublicationStatus, clock


class AccountInline(TabularInline):
    model = AuthorityAccount
    verbose_name_plural = "Accounts: made when they are first needed"
    fields = ["staging", "url"]
    readonly_fields = fields
    extra = 0
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Authority)
class AuthorityAdmin(PartsMixin, ModelAdmin):
    parts = [Order, Backoff]
    form = AuthorityForm
    list_display = ["name", "state", "enabled", "position", "directory_url"]
    list_filter = ["enabled"]
    search_fields = ["name", "directory_url"]
    ordering = ["position", "name"]
    readonly_fields = ["state", "eab"]
    empty_text = (
        "An authority issues certificates. Without one, domains that serve HTTPS wait, or have theirs "
        "uploaded: press “Well-known ones” to add one."
    )
    warn_unsaved_form = True
    fieldsets = [
        (None, {"fields": ["name", ("enabled", "position"), "state"]}),
        (
            "Its directories",
            {
                "description": (
                    "The staging directory is asked first after a failure: it issues certificates that "
                    "nobody trusts, and has other limits."
                ),
                "fields": ["directory_url", "staging_url", "trust"],
            },
        ),
        (
            "Our account there",
            {"fields": ["contact", "terms_agreed", ("eab_kid", "eab_secret"), "eab"]},
        ),
        ("What is ordered", {"fields": [("profile", "max_names")]}),
    ]
    inlines = [AccountInline]
    actions_list = ["well_known"]
    actions_detail = ["test_connection"]

    def get_readonly_fields(self, request: HttpRequest, obj: Authority | None = None) -> list[str]:
        # Its name is what its secrets are sealed for.
        return [*self.readonly_fields, "name"] if obj else self.readonly_fields

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self.inlines if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        preset = preset_of(request.GET.get("preset", ""))
        if preset is None or not preset.directory_url:
            return super().get_changeform_initial_data(request)
        return {
            "name": preset.key,
            "directory_url": preset.directory_url,
            "staging_url": preset.staging_url,
            "position": Authority.objects.count() * 10 + 10,
        }

    def save_model(self, request: HttpRequest, obj: Authority, form: Any, change: bool) -> None:
        if secret := form.cleaned_data["eab_secret"]:
            obj.eab_key = seal(secret.strip().encode(), record=f"eab:{obj.name}")
        if not obj.eab_kid:
            obj.eab_key = ""
        super().save_model(request, obj, form, change)

    def has_test_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.has_change_permission(request)

    def has_well_known_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.has_add_permission(request)

    @action(description="Well-known ones", permissions=["well_known"], icon="verified")
    def well_known(self, request: HttpRequest) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Add an authority",
            "presets": PRESETS,
            "known": {*Authority.objects.values_list("directory_url", flat=True)},
            "add_url": reverse("admin:certificates_authority_add"),
        }
        return TemplateResponse(request, "certificates/presets.html", context)

    @action(description="Test the connection", permissions=["test"], icon="network_check")
    def test_connection(self, request: HttpRequest, object_id: int) -> HttpResponse:
        authority = self.get_object(request, str(object_id))
        if authority is not None:
            for tested in authority_test(authority=authority):
                level = messages.SUCCESS if tested.ok else messages.ERROR
                self.message_user(request, tested.sentence, level)
        return HttpResponseRedirect(reverse("admin:certificates_authority_change", args=[object_id]))

    @display(description="state")
    def state(self, authority: Authority) -> str:
        return render_to_string(LINE, {"line": authority_line(authority)}) if authority.pk else "new"

    @display(description="external account")
    def eab(self, authority: Authority) -> str:
        if not authority.eab_key:
            return "none"
        return format_html("bound to <code>{}</code>; its HMAC key is kept sealed", authority.eab_kid)


def authority_line(authority: Authority) -> PublicationStatus:
    """Whether it is asked, and what is wrong with it."""
    now = timezone.now()
    if not authority.enabled:
        return PublicationStatus("off", "not asked")
    why = f": {authority.problem.rstrip('.')}" if authority.problem else ""
    count = f"{authority.failures} failure{'s' if authority.failures != 1 else ''} in a row"
    state = breaker_of(authority).state(now)
    if authority.open_until and state == State.OPEN:
        until = clock(authority.open_until)
        return PublicationStatus("refused", f"not asked before {until}, after {count}{why}")
    if authority.retry_after and authority.retry_after > now:
        return PublicationStatus(
            "pending", f"wants to be left alone until {clock(authority.retry_after)}{why}"
        )
    if state == State.HALF_OPEN:
        return PublicationStatus("pending", f"the next order tries it, and no other, after {count}{why}")
    if authority.failures:
        times = f"{authority.failures} times in a row" if authority.failures > 1 else "once"
        return PublicationStatus("pending", f"asked; it has failed {times}{why}")
    return PublicationStatus("ok", "asked")
