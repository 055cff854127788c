"""The line that says where an object is served, on every page of the portal that shows the object.

`domains` and `nodes` know nothing of the edges (the arrow of dependency points from here to them),
so their pages cannot show this by themselves: `edge.admin` registers them again with
`StatusLineMixin` in front of their own admin class, which adds a column to the list, the line above
the change form, and what to say after a save with Redis down.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from unfold.views import ChangeList

from edge import services
from edge.models import Outbox

LINE = "edge/status_line.html"


class StatusChangeList(ChangeList):
    """A list page that asks once for the lines of all its rows."""

    result_list: list[Any]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        statuses = services.publication_statuses(
            kind=self.model_admin.published_kind, object_ids=[row.pk for row in rows]
        )
        for row in rows:
            row.publication_status = statuses[row.pk]
        self.result_list = rows


class PublishingMixin:
    """In front of the admin class of a model whose saves publish documents of `published_kind`.

    Says so after a save, an action or a deletion whose documents did not even come to Redis.
    """

    published_kind: str

    def published_ids(self, object_ids: list[int]) -> list[int]:
        """The objects whose documents are made from these objects of the model."""
        return object_ids

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # The saved object is known only inside; the saved documents are published only outside,
        # after the commit.
        request.saved_ids = []  # type: ignore[attr-defined]
        response = super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[misc]
        self._tell_what_waits(request, request.saved_ids)  # type: ignore[attr-defined]
        return response

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().changelist_view(request, *args, **kwargs)  # type: ignore[misc]
        if has_acted(request, response):
            self._tell_what_waits(request, request.POST.getlist(ACTION_CHECKBOX_NAME))
        return response

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().delete_view(request, object_id, *args, **kwargs)  # type: ignore[misc]
        if has_acted(request, response):
            self._tell_what_waits(request, [object_id])
        return response

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)  # type: ignore[misc]
        request.saved_ids = [form.instance.pk]  # type: ignore[attr-defined]

    def _tell_what_waits(self, request: HttpRequest, ids: Iterable[Any]) -> None:
        """Say so where what was saved is not even in Redis; after any other save, say nothing."""
        published = self.published_ids([int(pk) for pk in ids if str(pk).isdigit()])
        waiting = Outbox.objects.filter(kind=self.published_kind, object_id__in=published).first()
        if waiting:
            status = services.publication_status(kind=waiting.kind, object_id=waiting.object_id)
            messages.warning(
                request,
                f"The change is saved, and not yet on the edges ({status.sentence}). It follows by itself.",
            )


def has_acted(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether the admin has done what was asked: it redirects then, instead of asking back."""
    return request.method == "POST" and response.status_code == 302


class StatusLineMixin(PublishingMixin):
    """In front of the admin class of a model whose objects are documents of `published_kind`."""

    change_form_outer_before_template = "edge/status_panel.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.status_line_view)  # type: ignore[attr-defined]
        return [
            path("<int:object_id>/status/", view, name=self._status_url_name()),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[StatusChangeList]:
        return StatusChangeList

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        first, *others = super().get_list_display(request)  # type: ignore[misc]
        return [first, "status_line", *others]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        if obj:
            context |= self._line_context(obj.pk)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)  # type: ignore[misc]

    def status_line_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The line alone, for the page that refreshes it while it is pending."""
        if not self.get_queryset(request).filter(pk=object_id).exists():  # type: ignore[attr-defined]
            raise Http404
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise Http404
        return TemplateResponse(request, LINE, self._line_context(object_id))

    @admin.display(description="on the edges")
    def status_line(self, obj: Any) -> str:
        return render_to_string(LINE, {"line": obj.publication_status})

    @admin.action(description="Publish again, even if nothing has changed", permissions=["change"])
    def publish_again(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        ids = list(queryset.values_list("pk", flat=True))
        services.objects_republish(kind=self.published_kind, object_ids=ids)
        messages.success(request, f"Asked to be published again: {len(ids)}.")

    def _line_context(self, object_id: int) -> dict[str, Any]:
        status = services.publication_status(kind=self.published_kind, object_id=object_id)
        url = reverse(f"admin:{self._status_url_name()}", args=[object_id])
        return {"line": status, "status_url": url}

    def _status_url_name(self) -> str:
        opts = self.opts  # type: ignore[attr-defined]
        return f"{opts.app_label}_{opts.model_name}_status"
