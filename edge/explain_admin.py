"""“Why?” on the page of a domain: a form that asks an edge what it makes of a URL."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from domains.conditions import METHODS, country
from domains.models import Domain
from edge.errors import NotExplained
from edge.explain import Question, url_explain
from nodes.models import Node


class WhyForm(forms.Form):
    """A request as a client may send it to one domain."""

    url = forms.CharField(
        label="URL",
        max_length=4_000,
        widget=UnfoldAdminTextInputWidget(),
        help_text="A whole URL, or a path such as /a?x=1.",
    )
    method = forms.ChoiceField(choices=[(name, name) for name in METHODS], widget=UnfoldAdminSelectWidget())
    headers = forms.CharField(
        required=False,
        max_length=8_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="One a line, such as Accept-Language: de or Cookie: currency=EUR.",
    )
    address = forms.GenericIPAddressField(
        required=False, label="Client's address", widget=UnfoldAdminTextInputWidget()
    )
    country = forms.CharField(
        required=False,
        label="Client's country",
        widget=UnfoldAdminTextInputWidget(),
        help_text="DE, for example.",
    )
    answer = forms.CharField(
        required=False,
        max_length=8_000,
        label="Headers of the answer",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="What the origin may say, one a line, such as Cache-Control: no-store.",
    )
    node = forms.ChoiceField(
        required=False,
        label="Edge",
        widget=UnfoldAdminSelectWidget(),
        help_text="What edges have cached differs; what they make of a URL does not.",
    )

    def __init__(self, *args: Any, domain: Domain, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.domain = domain
        edges = Node.objects.filter(is_edge=True).values_list("name", flat=True)
        choices = [("", "any that serves"), *((name, name) for name in edges)]
        self.fields["node"].choices = choices  # type: ignore[attr-defined]

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        return f"http://{self.domain.host.replace('*', 'www', 1)}{url}" if url.startswith("/") else url

    def clean_country(self) -> str:
        text: str = self.cleaned_data["country"].strip()
        return country(text) if text else ""

    def clean_headers(self) -> tuple[tuple[str, str], ...]:
        return _pairs(self.cleaned_data["headers"])

    def clean_answer(self) -> tuple[tuple[str, str], ...]:
        return _pairs(self.cleaned_data["answer"])

    def question(self) -> Question:
        """What was asked, once the form is valid."""
        said = self.cleaned_data
        return Question(
            said["url"],
            said["method"],
            said["headers"],
            said["address"] or "",
            said["country"],
            answer=said["answer"],
        )


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ValidationError(f"“{line}” is no header: a name, a colon and a value.")
        pairs.append((name.strip(), value.strip()))
    return tuple(pairs)


class WhyMixin:
    """In front of the admin class of domains: a button, and its page."""

    def has_why_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.has_view_permission(request)  # type: ignore[attr-defined]

    @action(description="Why?", permissions=["why"], icon="help")
    def why(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Nothing is changed by asking, so the form is sent by GET and its address can be passed on."""
        domain = self.get_queryset(request).filter(pk=object_id).first()  # type: ignore[attr-defined]
        if not domain:
            raise Http404
        if not self.has_view_permission(request, domain):  # type: ignore[attr-defined]
            raise PermissionDenied
        initial = {"url": "/", "method": "GET"}
        form = WhyForm(request.GET if "url" in request.GET else None, domain=domain, initial=initial)
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.opts,  # type: ignore[attr-defined]
            "original": domain,
            "title": f"Why is a URL of {domain} answered as it is?",
            "form": form,
        }
        if form.is_bound and form.is_valid():
            context |= _explained(form)
        return TemplateResponse(request, "edge/why.html", context)


def _explained(form: WhyForm) -> dict[str, Any]:
    try:
        return {"explanation": url_explain(question=form.question(), node=form.cleaned_data["node"])}
    except NotExplained as problem:
        return {"problem": str(problem)}
