"""Which rows of a list, and in which order. A parameter that means nothing here is refused: a misspelt
filter would otherwise answer with everything."""

import re
from collections.abc import Collection
from typing import Any

import django_filters
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.filters import SearchFilter
from rest_framework.request import Request

from api.errors import InvalidQuery

#: What the machinery itself reads.
OURS = frozenset({"limit", "cursor", "ordering", "search"})
WHOLE = re.compile("-?[0-9]{1,18}")


class Filters(DjangoFilterBackend):
    """A viewset's `filterset_fields` or `filterset_class`."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        filterset = self.get_filterset(request, queryset, view)
        known = OURS | set(filterset.filters if filterset else ())
        refuse_unknown(request, known)
        if filterset is None:
            return queryset
        refuse_half_values(request, filterset)
        if not filterset.is_valid():
            raise InvalidQuery({name: str(errors[0]) for name, errors in filterset.errors.items()})
        return filterset.qs


class Search(SearchFilter):
    """`?search=` in a viewset's `search_fields`: every word must occur in one of them."""

    search_description = "Words that must all occur."

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        if request.query_params.get("search") and not self.get_search_fields(view, request):
            raise InvalidQuery({"search": "This list has no search."})
        return super().filter_queryset(request, queryset, view)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return super().get_schema_operation_parameters(view) if getattr(view, "search_fields", None) else []


class Ordering:
    """`?ordering=name,-created_at`, of a viewset's `ordering_fields`; carried out by the pagination."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        return queryset

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        names = [sign + name for name in getattr(view, "ordering_fields", []) for sign in ("", "-")]
        if not names:
            return []
        return [
            {
                "name": "ordering",
                "in": "query",
                "description": "By which fields, the first one first; “-” is downwards.",
                "explode": False,
                "schema": {"type": "array", "minItems": 1, "items": {"type": "string", "enum": names}},
            }
        ]


def refuse_unknown(
    request: Request, known: frozenset[str] | set[str], *, repeated: Collection[str] = ()
) -> None:
    """Raise `InvalidQuery` with every parameter that is not known here, or comes twice and may not."""
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        there = f"There are: {', '.join(sorted(known))}." if known else "There are none here."
        raise InvalidQuery(dict.fromkeys(unknown, f"There is no such parameter. {there}"))
    given = dict(request.query_params.lists())
    if twice := [name for name, values in given.items() if len(values) > 1 and name not in repeated]:
        raise InvalidQuery(dict.fromkeys(twice, "It is given more than once."))


def refuse_half_values(request: Request, filterset: Any) -> None:
    """Raise `InvalidQuery` where a value is empty, a yes or no is neither, or a number is not whole, as all
    of ours are: that would filter nothing, or everything away."""
    for name, kind in filterset.filters.items():
        text = request.query_params.get(name)
        if isinstance(kind, django_filters.BooleanFilter) and text not in (None, "true", "false"):
            raise InvalidQuery({name: "It is true or false."})
        if isinstance(kind, django_filters.NumberFilter) and text and not WHOLE.fullmatch(text):
            raise InvalidQuery({name: "It is a whole number."})
        if text == "" and type(kind) is not django_filters.CharFilter:
            raise InvalidQuery({name: "It is empty."})


def ordering_of(request: Request, view: Any) -> list[str]:
    """By what to order: what was asked for, else the viewset's own, and at last by primary key."""
    text = request.query_params.get("ordering")
    asked = text.split(",") if text is not None else []
    allowed = {*getattr(view, "ordering_fields", ())}
    if wrong := [name for name in asked if name.removeprefix("-") not in allowed]:
        choice = f"By: {', '.join(sorted(allowed))}." if allowed else "This list has one ordering."
        raise InvalidQuery({"ordering": f"Not by “{wrong[0]}”. {choice}"})
    ordering = list(dict.fromkeys(asked or view.ordering))
    if not {"pk", "-pk"} & set(ordering):
        ordering.append("-pk" if ordering and ordering[-1].startswith("-") else "pk")
    return ordering


class FilterSet(django_filters.FilterSet):
    """The base of filter sets: what is no filter of theirs is refused by `Filters`."""


class InFilter(django_filters.BaseInFilter, django_filters.CharFilter):
    """One of several, separated by commas: `?name__in=a,b`."""
