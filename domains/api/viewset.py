"""Domains: each is one document, under its host name."""

from typing import Any

import django_filters
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import models
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from api.filters import FilterSet, InFilter
from api.limits import BULK
from api.viewsets import ResourceViewSet
from domains.api import examples
from domains.api.bulk import BulkAnswerSerializer, BulkSerializer, bulk
from domains.api.serializers import DomainSerializer
from domains.hostnames import searched_hostname
from domains.models import Domain
from domains.models.domain import normalize_claim
from domains.services import domain_disable, domain_enable


class DomainFilter(FilterSet):
    host__in = InFilter(field_name="host", lookup_expr="in")
    name = django_filters.CharFilter(method="by_name", label="One of its names, whichever it is.")
    origin = django_filters.CharFilter(method="by_origin", label="The host of one of its origins.")
    has_origin = django_filters.BooleanFilter(method="by_origins", label="Whether it has an origin.")

    class Meta:
        model = Domain
        fields = ["host", "enabled", "tls", "tls_policy", "client_auth"]

    def by_name(self, domains: models.QuerySet[Domain], _: str, name: str) -> models.QuerySet[Domain]:
        return domains.filter(hostnames__name=searched_hostname(name))  # a name is of one domain at most

    def by_origin(self, domains: models.QuerySet[Domain], _: str, host: str) -> models.QuerySet[Domain]:
        return domains.filter(origins__host=host).distinct()

    def by_origins(self, domains: models.QuerySet[Domain], _: str, some: bool) -> models.QuerySet[Domain]:
        return domains.filter(origins__isnull=not some).distinct()


class DomainViewSet(ResourceViewSet):
    """What your edges serve. A list in the document is all of it: what it leaves out is removed."""

    resource = "domains"
    #: The parts as lists beside the row: what the serializers look for first (`RowsSerializer`).
    queryset = Domain.objects.prefetch_related(
        models.Prefetch("hostnames", to_attr="hostnames_rows"),
        models.Prefetch("origins", to_attr="origins_rows"),
        models.Prefetch("rules", to_attr="rules_rows"),
        models.Prefetch("rules_rows__conditions", to_attr="conditions_rows"),
    )
    serializer_class = DomainSerializer
    lookup_field = "host"
    domain_path = "host"
    put_creates = True
    filterset_class = DomainFilter
    search_fields = ["host", "hostnames__name", "origins__host", "access_name", "notes"]
    ordering = ["host"]
    ordering_fields = ["host", "created_at", "updated_at"]
    rehearsed = ["enable", "disable", "bulk"]
    #: Each item of a bulk needs the rights of what it does besides.
    action_rights = {"bulk": ["domains.change_domain"]}
    example = examples.DOMAIN
    examples = {
        "enable": {"response": examples.DOMAIN},
        "disable": {"response": {**examples.DOMAIN, "enabled": False}},
        "bulk": examples.BULK,
    }

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if "host" in self.kwargs:
            self.kwargs["host"] = searched_hostname(self.kwargs["host"])
        super().initial(request, *args, **kwargs)

    def _put_new(self, request: Request, document: dict[str, Any]) -> Any:
        try:
            document["host"] = normalize_claim(document["host"])
        except (KeyError, AttributeError, DjangoValidationError):
            pass  # what is wrong with it, the serializer says
        return super()._put_new(request, document)

    @extend_schema(request=None, responses=DomainSerializer)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let the edges have it, once it has an origin."""
        return self._switch(domain_enable)

    @extend_schema(request=None, responses=DomainSerializer)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Withdraw it from the edges, which then answer 404 for all its names."""
        return self._switch(domain_disable)

    @extend_schema(request=BulkSerializer, responses=BulkAnswerSerializer)
    @action(detail=False, methods=["post"], body_limit=BULK)
    def bulk(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make, replace and delete up to 1,000 domains in one call; they are published together.

        The answer says of each item what came of it. `atomic`: all of them, or, where one is not valid,
        none, with a problem that names it; else the others are done.
        """
        return bulk(self)

    def _switch(self, service: Any) -> Response:
        def change() -> Domain:
            domain: Domain = self.locked()
            service(domain=domain)
            return domain

        return self.carry_out(change)
