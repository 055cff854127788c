"""Tokens in the portal: made, rotated and revoked there. A secret is on one page, once."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from accounts.errors import TokenEnded, TokenTooWide
from accounts.models import Token, User
from accounts.tokens import (
    Issuer,
    check_bounds,
    end_of,
    token_change,
    token_create,
    token_revoke,
    token_rotate,
)
from api.scopes import RESOURCES, SCOPES


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return (super().to_python(value) or "").replace(",", " ").split()


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=[(scope, f"{scope}: {RESOURCES[scope.partition(':')[0]]}") for scope in SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What it is for. It may never do more than its owner.",
    )
    domains = LinesField(
        required=False,
        help_text="Host names of domains that it is limited to, one a line. Empty: no limit.",
    )
    networks = LinesField(
        required=False,
        help_text="Networks that it may be used from, one a line: 192.0.2.0/24. Empty: all.",
    )

    #: Who fills in the form.
    issuer: Issuer

    class Meta:
        model = Token
        fields = ["name", "owner", "scopes", "domains", "networks", "expires_at", "max_unused_days"]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.instance.owner_id and "owner" not in self.fields and self.issuer.user:
            self.instance.owner = self.issuer.user
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            try:
                check_bounds(self.instance, self.issuer)
            except TokenTooWide as refusal:
                self.add_error(None, str(refusal))


class EndedFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", "active"), ("over", "expired or revoked")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Token]) -> models.QuerySet[Token]:
        alive = Token.objects.alive(timezone.now()).values("pk")
        if self.value() == "active":
            return queryset.filter(pk__in=alive)
        return queryset.exclude(pk__in=alive) if self.value() else queryset


@admin.register(Token)
class TokenAdmin(ModelAdmin):
    """People see and change their own; who has “manage tokens”, everybody's."""

    form = TokenForm
    list_display = ["name", "owner", "hint", "scope_list", "state", "expires_at", "last_used_at"]
    list_filter = [EndedFilter]
    list_select_related = ["owner"]
    search_fields = ["name", "owner__username", "prefix", "last4"]
    ordering = ["-created_at"]
    autocomplete_fields = ["owner"]
    readonly_fields = [
        "hint",
        "state",
        "last_used_at",
        "created_at",
        "created_by",
        "revoked_at",
        "revoked_by",
    ]
    empty_text = "A token lets a program call the API. Its secret is shown once, when it is made."
    fieldsets = [
        (None, {"fields": ["name", "owner"]}),
        ("What it may", {"fields": ["scopes", "domains", "networks"]}),
        ("How long", {"fields": [("expires_at", "max_unused_days")]}),
    ]
    found_fieldset = (
        "Set by Cirrus",
        {
            "fields": [
                *(("hint", "state"), ("last_used_at",)),
                *(("created_at", "created_by"), ("revoked_at", "revoked_by")),
            ]
        },
    )
    actions = ["revoke"]
    actions_detail = ["rotate_now", "revoke_now"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Token]:
        tokens: models.QuerySet[Token] = super().get_queryset(request)
        return tokens if self._manages(request) else tokens.filter(owner_id=request.user.pk)

    def get_fieldsets(self, request: HttpRequest, obj: Token | None = None) -> Any:
        sets = [*self.fieldsets, self.found_fieldset] if obj else [*self.fieldsets]
        if not obj and not self._manages(request):
            sets[0] = (None, {"fields": ["name"]})
        return sets

    def get_readonly_fields(self, request: HttpRequest, obj: Token | None = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), *(["owner"] if obj else [])]

    def get_form(self, request: HttpRequest, obj: Token | None = None, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, **kwargs)
        return type("TokenForm", (form,), {"issuer": issuer_of(request)})

    def save_model(self, request: HttpRequest, obj: Token, form: Any, change: bool) -> None:
        if change:
            return token_change(token=obj, by=issuer_of(request), fields=[*form.cleaned_data])
        request.token_secret = token_create(token=obj, by=issuer_of(request))  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: Token, post_url_continue: Any = None) -> HttpResponse:
        return self._show(request, obj, request.token_secret)  # type: ignore[attr-defined]

    @display(description="secret")
    def hint(self, token: Token) -> str:
        return token.hint

    @display(description="scopes")
    def scope_list(self, token: Token) -> str:
        return ", ".join(token.scopes)

    @display(description="state", label={"active": "success"})
    def state(self, token: Token) -> str:
        return end_of(token, now=timezone.now()) or "active"

    @admin.action(description="Revoke: they end now", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: models.QuerySet[Token]) -> None:
        for token in queryset:
            token_revoke(token=token, by=request.user.get_username())
        self.message_user(request, "Revoked; the next request with them is refused.", messages.SUCCESS)

    @action(description="Rotate", permissions=["turn"], icon="autorenew")
    def rotate_now(self, request: HttpRequest, object_id: int) -> HttpResponse:
        token = self._one(request, object_id)
        if request.method != "POST":
            return self._confirm(request, token, "rotate")
        try:
            new, secret = token_rotate(token=token, by=issuer_of(request))
        except (TokenEnded, TokenTooWide) as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:accounts_token_change", args=[token.pk]))
        return self._show(request, new, secret, old=token)

    @action(description="Revoke", permissions=["turn"], icon="block")
    def revoke_now(self, request: HttpRequest, object_id: int) -> HttpResponse:
        token = self._one(request, object_id)
        if request.method != "POST":
            return self._confirm(request, token, "revoke")
        token_revoke(token=token, by=request.user.get_username())
        self.message_user(request, "Revoked; the next request with it is refused.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:accounts_token_change", args=[token.pk]))

    def has_turn_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.has_change_permission(request)

    def _one(self, request: HttpRequest, object_id: int) -> Token:
        token = self.get_queryset(request).filter(pk=object_id).first()
        if token is None:
            raise PermissionDenied
        return token

    def _manages(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.manage_tokens"))

    def _confirm(self, request: HttpRequest, token: Token, verb: str) -> HttpResponse:
        context = {**self._context(request, token), "verb": verb}
        return TemplateResponse(request, "accounts/confirm.html", context)

    def _show(
        self, request: HttpRequest, token: Token, secret: str, old: Token | None = None
    ) -> HttpResponse:
        context = {**self._context(request, token), "secret": secret, "old": old}
        response = TemplateResponse(request, "accounts/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def _context(self, request: HttpRequest, token: Token) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "title": str(token), "token": token}


def issuer_of(request: HttpRequest) -> Issuer:
    """Whoever is logged in."""
    user = request.user
    return Issuer(user.get_username(), user if isinstance(user, User) else None)
