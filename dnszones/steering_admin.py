"""“Who serves it?” on the page of a site, and how all sites are spread, above their list."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectMultipleWidget

from dnszones.errors import NotSteered
from dnszones.inquiry import domain_inquire, fleet_inquire, fleet_without
from edge.errors import NotPublished
from nodes.models import Node

#: Of the tables. A node's share of sites is that of its weight among those that may answer.
SITE_COLUMNS = ["Node", "Region", "State", "Weight", "Share of sites", "Place", "Verdict", "Why"]
FLEET_COLUMNS = [
    "Node",
    "Region",
    "State",
    "Weight",
    "Sites",
    "First in",
    "Share of first places",
    "By weight",
]


class WithoutForm(forms.Form):
    """What if these edges went down?"""

    without = forms.MultipleChoiceField(
        required=False,
        label="What if these edges went down?",
        widget=UnfoldAdminSelectMultipleWidget(),
        help_text="Nothing is changed by asking.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        edges = Node.objects.filter(is_edge=True).values_list("name", flat=True)
        self.fields["without"].choices = [(name, name) for name in edges]  # type: ignore[attr-defined]

    @property
    def nodes(self) -> list[str]:
        """The chosen names; none where the choice is not valid."""
        return self.cleaned_data.get("without", []) if self.is_valid() else []


class SteeringMixin:
    """In front of the admin class of sites: two buttons, and their pages."""

    def has_steering_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.has_view_permission(request)  # type: ignore[attr-defined]

    @action(description="Who serves it?", permissions=["steering"], icon="alt_route")
    def who_serves(self, request: HttpRequest, object_id: int) -> HttpResponse:
        site = self.get_queryset(request).filter(pk=object_id).first()  # type: ignore[attr-defined]
        if not site:
            raise Http404
        if not self.has_view_permission(request, site):  # type: ignore[attr-defined]
            raise PermissionDenied
        form = WithoutForm(request.GET)
        context = self._page(request, f"Who serves {site.domain}?", form, SITE_COLUMNS)
        context["original"] = site
        try:
            context["inquiry"] = domain_inquire(domain=site.domain, without=form.nodes)
        except (NotSteered, NotPublished) as problem:
            context["problem"] = str(problem)
        return TemplateResponse(request, "dnszones/who_serves.html", context)

    @action(description="How they are spread", permissions=["steering"], icon="alt_route")
    def spread(self, request: HttpRequest) -> HttpResponse:
        form = WithoutForm(request.GET)
        context = self._page(request, "How sites are spread over the nodes", form, FLEET_COLUMNS)
        context["fleet"] = fleet_inquire()
        if form.nodes:
            context["change"] = fleet_without(nodes=form.nodes)
        return TemplateResponse(request, "dnszones/spread.html", context)

    def _page(
        self, request: HttpRequest, title: str, form: WithoutForm, columns: list[str]
    ) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.opts,  # type: ignore[attr-defined]
            "title": title,
            "form": form,
            "columns": columns,
        }
