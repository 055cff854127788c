"""Pages by cursor: what was inserted or deleted meanwhile makes no row come twice or be missed.

A cursor holds the address, the ordering and the values of the last row of a page, signed; the next page
begins after that row (keyset pagination), so that page 1,000 costs what page 1 costs.
"""

from functools import reduce
from operator import or_
from typing import Any

from django.core import signing
from django.db import models
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from api.errors import InvalidQuery
from api.filters import ordering_of

SALT = "api.cursor"


class CursorPagination(BasePagination):
    """`?limit=` (100, at most 500) and `?cursor=`; the body has `results` and `next`, the header Link too."""

    default_limit = 100
    max_limit = 500

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.next = None
        limit = self.limit_of(request)
        ordering = ordering_of(request, view)
        queryset = queryset.order_by(*ordering)
        cursor = request.query_params.get("cursor")
        if cursor is not None:
            values = values_of(cursor, request.path, ordering)
            queryset = queryset.filter(after(queryset.model, ordering, values))
        rows = list(queryset[: limit + 1])
        if len(rows) > limit:
            rows = rows[:limit]
            values = [value_of(rows[-1], name.removeprefix("-")) for name in ordering]
            cursor = signing.dumps([request.path, ordering, values], salt=SALT)
            self.next = replace_query_param(request.get_full_path(), "cursor", cursor)
        return rows

    def limit_of(self, request: Request) -> int:
        text = request.query_params.get("limit")
        if text is None:
            return self.default_limit
        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= self.max_limit):
            raise InvalidQuery({"limit": f"It is a number from 1 to {self.max_limit}."})
        return int(text[:9])

    def get_paginated_response(self, data: Any) -> Response:
        headers = {"Link": f'<{self.next}>; rel="next"'} if self.next else {}
        return Response({"results": data, "next": self.next}, headers=headers)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {
                "results": {"type": "array", "items": schema.get("items", schema)},
                "next": {
                    "type": ["string", "null"],
                    "description": "The address of the next page; null on the last one.",
                },
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": self.max_limit, "default": self.default_limit}
        return [
            {"name": "limit", "in": "query", "description": "Rows of a page.", "schema": limit},
            {
                "name": "cursor",
                "in": "query",
                "description": "Where the page begins: from `next` of the page before.",
                "schema": {"type": "string"},
            },
        ]


def values_of(cursor: str, path: str, ordering: list[str]) -> list[Any]:
    """What a cursor of ours says. Raises `InvalidQuery` where it is none, or of another list or ordering."""
    try:
        made_at, made_for, values = signing.loads(cursor, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        raise InvalidQuery({"cursor": "It is none of ours: begin at the first page again."})
    if made_at != path:
        raise InvalidQuery({"cursor": "It belongs to another list: begin at the first page of this one."})
    if made_for != ordering:
        raise InvalidQuery({"cursor": "It belongs to another ordering: begin at the first page again."})
    return list(values)


def value_of(row: models.Model, path: str) -> Any:
    """The value of a row at an ordering's path (`region__name`), as JSON."""
    value: Any = row
    for name in path.split("__"):
        value = getattr(value, name)
    return value.isoformat() if hasattr(value, "isoformat") else value


def after(model: type[models.Model], ordering: list[str], values: list[Any]) -> models.Q:
    """The rows that come after the one with these values: (a, b) > (x, y), for any mix of directions."""
    steps = []
    same = models.Q()
    for name, value in zip(ordering, values, strict=True):
        path, comparison = (name[1:], "lt") if name.startswith("-") else (name, "gt")
        steps.append(same & models.Q((f"{path}__{comparison}", value)))
        same &= models.Q((path, value))
    first, value = ordering[0], values[0]
    path, comparison = (first[1:], "lte") if first.startswith("-") else (first, "gte")
    # Says nothing new, and lets the database begin in the middle of an index.
    return models.Q((f"{path}__{comparison}", value)) & reduce(or_, steps)
