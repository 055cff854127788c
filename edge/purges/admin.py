"""Purges in the portal: asked for in a form, watched on a page that follows each edge."""

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.views import ChangeList

from domains.models import Domain
from edge.errors import PurgeLimited
from edge.models import Purge, PurgeTarget
from edge.purges.forms import PurgeForm
from edge.purges.services import purge_request, purge_status, purge_statuses
from edge.status_line import LINE

#: Targets that a purge's page shows.
SHOWN = 200

PANEL = "edge/purge_panel.html"


class PurgeChangeList(ChangeList):
    """A list page that asks once for the lines of all its rows."""

    result_list: list[Any]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        statuses = purge_statuses(purges=self.result_list)
        for purge in self.result_list:
            purge.status = statuses[purge.pk]


@admin.register(Purge)
class PurgeAdmin(ModelAdmin):
    form = PurgeForm
    list_display = ["__str__", "status_line", "scope", "how", "requested_by", "created_at"]
    list_filter = ["state", "scope", "soft"]
    list_select_related = ["requested_by"]
    search_fields = ["host", "summary", "note"]
    ordering = ["-pk"]
    show_full_result_count = False
    empty_text = "Nothing has been purged lately. A purge removes from all edges what they have cached."
    autocomplete_fields = ["domain"]
    add_fieldsets = [
        (None, {"fields": ["domain", "what", "names", "confirmed", "soft", "note"]}),
    ]
    fieldsets = [
        (None, {"fields": ["domain", ("scope", "number"), "how", "note", ("requested_by", "created_at")]}),
        ("What was purged", {"fields": ["target_list"]}),
        ("For tracing", {"classes": ["collapse"], "fields": [("rev", "epoch"), ("published_at", "done_at")]}),
    ]
    readonly_fields = ["number", "how", "target_list"]
    change_form_outer_before_template = PANEL

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.status_view)
        return [path("<int:object_id>/status/", view, name="edge_purge_status"), *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PurgeChangeList]:
        return PurgeChangeList

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # what is purged is purged

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # old ones go by themselves

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj else self.add_fieldsets

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj:  # only looked at
            return super().get_form(request, obj, change=change, **kwargs | {"form": ModelForm})
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"request_user": request.user})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # One button: a purge leads to the page that follows it.
        buttons = {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().add_view(request, form_url, {**(extra_context or {}), **buttons})

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # The purges are known only inside; they are published only outside, after the commit.
        request.purges = []  # type: ignore[attr-defined]
        response = super().changeform_view(request, *args, **kwargs)
        tell(request, request.purges)  # type: ignore[attr-defined]
        return response

    def save_model(self, request: HttpRequest, obj: Purge, form: Any, change: bool) -> None:
        # The form has saved them.
        request.purges = form.purges  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: Purge, post_url_continue: Any = None) -> HttpResponse:
        if not self.has_view_permission(request, obj):
            return HttpResponseRedirect(reverse("admin:index"))
        if len(request.purges) > 1:  # type: ignore[attr-defined]
            return HttpResponseRedirect(reverse("admin:edge_purge_changelist"))
        return HttpResponseRedirect(reverse("admin:edge_purge_change", args=[obj.pk]))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        if obj:
            context |= panel_context(obj)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def status_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The panel alone, for the page that refreshes it while the purge is under way."""
        purge = self.get_queryset(request).filter(pk=object_id).first()
        if not purge or not self.has_view_permission(request, purge):
            raise Http404
        return TemplateResponse(request, PANEL, panel_context(purge))

    @display(description="where it is")
    def status_line(self, purge: Any) -> str:
        return render_to_string(LINE, {"line": purge.status})

    @display(description="how", ordering="soft")
    def how(self, purge: Purge) -> str:
        return "soft" if purge.soft else "hard"

    @display(description="number")
    def number(self, purge: Purge) -> str | None:
        return None if purge.scope == Purge.Scope.ALL else f"{purge.targets:,}"

    @display(description="targets")
    def target_list(self, purge: Purge) -> str:
        rows: list[PurgeTarget] = list(purge.rows.all()[:SHOWN])
        more = purge.targets - len(rows)
        text = "\n".join(f"{row.scope}: {row}" if row.name else str(row) for row in rows)
        rest = f"\nand {more:,} more" if more > 0 else ""
        return format_html('<div class="whitespace-pre-wrap break-all">{}{}</div>', text, rest)


def panel_context(purge: Purge) -> dict[str, Any]:
    """What the panel above a purge's page shows."""
    there = reverse("admin:edge_purge_status", args=[purge.pk])
    return {"status": purge_status(purge=purge), "url": there, "widened": purge.widened}


def tell(request: HttpRequest, purges: list[Purge]) -> None:
    """Say what was asked for, and, where it is not even in Redis, that it waits."""
    fresh = list(Purge.objects.filter(pk__in=[purge.pk for purge in purges]).order_by("pk"))
    if not fresh:
        return
    named = "; ".join(str(purge) for purge in fresh[:5])
    more = f" and of {len(fresh) - 5} more domains" if len(fresh) > 5 else ""
    messages.success(request, f"Asked to be purged: {named}{more}.")
    for purge in fresh[:5]:
        if purge.widened:
            messages.warning(request, f"{purge} – widened: {purge.widened}.")
    waiting = [purge for purge in fresh if purge.state == Purge.State.QUEUED]
    if waiting:
        line = purge_status(purge=waiting[0]).sentence
        messages.warning(
            request, f"The purge is saved, and not yet on the edges ({line}). It follows by itself."
        )


class PurgingMixin:
    """In front of the admin class of domains: ways from a domain to the purge of it."""

    def has_purge_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("edge.add_purge")

    @action(description="Purge…", permissions=["purge"], icon="cleaning_services")
    def purge_some(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:edge_purge_add')}?domain={object_id}")

    @action(description="Purge everything…", permissions=["purge"], icon="delete_sweep")
    def purge_all(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:edge_purge_add')}?domain={object_id}&what=all")

    @admin.action(description="Purge everything of them…", permissions=["purge"])
    def purge_everything(
        self, request: HttpRequest, queryset: models.QuerySet[Domain]
    ) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            site, opts = self.admin_site, self.opts  # type: ignore[attr-defined]
            context = {**site.each_context(request), "opts": opts, "domains": queryset}
            context["title"] = "Purge everything of these domains?"
            return TemplateResponse(request, "edge/purge_confirmation.html", context)
        try:
            purges = purge_request(domains=list(queryset), everything=True, by=request.user)
        except PurgeLimited as error:
            messages.error(request, str(error))
        else:
            tell(request, purges)
        return None
