"""The list of purges, and the purges of one domain."""

from collections.abc import Callable, Mapping
from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from api import dry_run, history
from api.bulk import WRONG, at_item, item_problem
from api.filters import FilterSet, InFilter, refuse_unknown
from api.limits import BULK
from api.viewsets import BaseViewSet, ReadMixin
from domains.api.parts import HOST, domain_of_address
from domains.hostnames import searched_hostname
from edge.models import Purge
from edge.purges.api import examples
from edge.purges.api.asking import domains_named, purges_asked
from edge.purges.api.serializers import (
    PurgeItemsSerializer,
    PurgeRequestSerializer,
    PurgeResultsSerializer,
    PurgeSerializer,
    PurgesSerializer,
    TargetSerializer,
    WhatSerializer,
)
from edge.purges.services import purge_statuses

#: Where purges are found, and how many of them one address may name.
AT, NAMED = "/api/v1/purges", 100


class PurgeFilter(FilterSet):
    id__in = InFilter(method="by_ids", label="Several, with commas.")
    domain = django_filters.CharFilter(method="by_domain", label="The host name of a domain.")
    since = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")

    class Meta:
        model = Purge
        fields = ["state", "scope", "soft"]

    def by_ids(self, purges: Any, _: str, ids: list[str]) -> Any:
        numbers = [int(text) for text in ids if text.isascii() and text.isdecimal() and len(text) < 19]
        return purges.filter(id__in=numbers)  # what is no number of a purge finds none

    def by_domain(self, purges: Any, _: str, host: str) -> Any:
        return purges.filter(domain__host=searched_hostname(host))


class PurgesViewSet(BaseViewSet):
    """What the list of all purges and that of a domain have in common."""

    resource = "purges"
    queryset = Purge.objects.select_related("domain", "requested_by")
    serializer_class: Any = PurgeSerializer
    domain_path = "domain__host"
    body_limit = BULK
    filterset_class: Any = PurgeFilter
    search_fields = ["host", "summary", "note"]
    ordering: Any = ["-id"]
    action_rights = {"create": ["edge.add_purge"], "bulk": ["edge.add_purge"]}
    rehearsed = ["bulk"]

    def paginate_queryset(self, queryset: Any) -> Any:
        rows = super().paginate_queryset(queryset)
        return with_statuses(rows) if queryset.model is Purge and rows else rows

    def accept(self, ask: Callable[[], list[Purge]]) -> Response:
        """202: where to look is the purge, or the list of all of them."""
        return dry_run.answered(self.request, ask, accepted)


class PurgeViewSet(ReadMixin, PurgesViewSet):
    """What has been purged lately. Ask with POST; it is accepted at once, and `status` says how far it is."""

    lookup_field = "id"
    lookup_value_regex = "[0-9]{1,18}"
    example = examples.PURGE
    examples = examples.ACTIONS

    @extend_schema(request=PurgeRequestSerializer, responses={202: PurgesSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Purge URLs, prefixes, tags or everything: one purge for each domain, all of them or none."""
        asked = PurgeRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return self.accept(lambda: self._ask(asked.validated_data))

    @extend_schema(request=PurgeItemsSerializer, responses={200: PurgeResultsSerializer})
    @action(detail=False, methods=["post"])
    def bulk(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask for up to 1,000 purges in one call, with a result for each."""
        asked = PurgeItemsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        items, atomic = asked.validated_data["items"], asked.validated_data["atomic"]

        def results() -> dict[str, Any]:
            found = [self._result(place, item, atomic) for place, item in enumerate(items)]
            return {"results": found, "failed": sum("problem" in result for result in found)}

        return dry_run.answered(request, results, Response)

    @extend_schema(responses=TargetSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def targets(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The URLs, prefixes and tags of a purge; everything is one without a name."""
        refuse_unknown(request, {"limit", "cursor"})
        self.ordering = ["pk"]
        page = self.paginate_queryset(self.get_object().rows.all())
        return self.get_paginated_response(TargetSerializer(page, many=True).data)

    def _ask(self, asked: Mapping[str, Any]) -> list[Purge]:
        what = {name: value for name, value in asked.items() if name != "domains"}
        return purges_asked(self.request, what, domains_named(self.request, asked["domains"]))

    def _result(self, place: int, item: Mapping[str, Any], atomic: bool) -> dict[str, Any]:
        try:
            with history.atomic():
                return {"status": 202, "purges": [purge.pk for purge in self._ask(item)]}
        except WRONG as error:
            if atomic:
                raise at_item(place, error) from error
            return {"purges": [], **item_problem(error)}


class DomainPurgeViewSet(PurgesViewSet):
    """The purges of one domain. Each one alone is below `/purges`."""

    example = examples.PURGE
    examples = {"create": examples.OF_DOMAIN}

    @extend_schema(parameters=[HOST])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What of the domain has been purged lately."""
        domain = domain_of_address(request, searched_hostname(kwargs["host"]))
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset().filter(domain=domain)))
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)

    @extend_schema(request=WhatSerializer, responses={202: PurgesSerializer}, parameters=[HOST])
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Purge URLs, prefixes, tags or everything of the domain."""
        domain = domain_of_address(request, searched_hostname(kwargs["host"]))
        asked = WhatSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return self.accept(lambda: purges_asked(request, asked.validated_data, [domain]))


def with_statuses(purges: list[Any]) -> list[Any]:
    """The same purges, each with its line: one look at the edges for all of them."""
    statuses = purge_statuses(purges=purges)
    for purge in purges:
        purge.status = statuses[purge.pk]
    return purges


def accepted(purges: list[Purge]) -> Response:
    """The answer that these purges are asked for: as they are stored now, and where to look."""
    headers = {"Retry-After": "1"}
    numbers = [str(purge.pk) for purge in purges]
    if len(numbers) <= NAMED:
        headers["Location"] = f"{AT}/{numbers[0]}" if len(purges) == 1 else f"{AT}?id__in={','.join(numbers)}"
    fresh = PurgesViewSet.queryset.filter(pk__in=numbers).order_by("pk")
    body = {"purges": PurgeSerializer(with_statuses([*fresh]), many=True).data}
    return Response(body, status.HTTP_202_ACCEPTED, headers=headers)
