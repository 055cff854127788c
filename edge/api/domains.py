"""Domains with what the edges make of them: where they are served, their traffic, and “why?”."""

from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import InvalidQuery
from api.filters import refuse_unknown
from api.permissions import require_owned
from api.serializers import Serializer
from domains.api import DomainViewSet
from domains.hostnames import searched_hostname
from edge.api import examples
from edge.api.serializers import PublicationStatusSerializer, TrafficSerializer, published
from edge.errors import TrafficUnknown
from edge.explain import is_whole, url_explain
from edge.explain_admin import WhyForm
from edge.models import Kind
from edge.purges.plan import domains_of
from edge.services import objects_republish
from edge.traffic import DAY, HOUR, read_traffic
from nodes.models import Node

#: Parameters of “why?” that may be given several times: a header each.
REPEATED = ("headers", "answer")


class FactSerializer(Serializer):
    name = serializers.CharField()
    value = serializers.CharField()


class ExplanationSerializer(Serializer):
    """What an edge makes of a URL: for people (`lines`), and as the edge said it (`facts`)."""

    node = serializers.CharField()
    lines = FactSerializer(many=True)
    facts = serializers.DictField()


class PublishedDomainViewSet(DomainViewSet):
    """What your edges serve. A list in the document is all of it: what it leaves out is removed."""

    action_resources = {"traffic": "stats"}
    examples = {
        **DomainViewSet.examples,
        "status": {"response": examples.STATUS},
        "publish_again": {"response": examples.STATUS},
        "traffic": {"response": examples.TRAFFIC},
        "why": {"response": examples.WHY},
    }

    @extend_schema(responses=PublicationStatusSerializer)
    @action(detail=True, methods=["get"])
    def status(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """On how many edges it is, and who has applied its newest revision."""
        refuse_unknown(request, set())
        return Response(published(kind=Kind.DOMAIN, object_id=self.get_object().pk))

    @extend_schema(request=None, responses={202: PublicationStatusSerializer})
    @action(detail=True, methods=["post"], url_path="publish-again")
    def publish_again(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Publish it under a new revision, even if nothing has changed."""
        refuse_unknown(request, set())
        domain = self.get_object()
        self.check_preconditions(domain)
        objects_republish(kind=Kind.DOMAIN, object_ids=[domain.pk])
        return Response(published(kind=Kind.DOMAIN, object_id=domain.pk), status.HTTP_202_ACCEPTED)

    @extend_schema(
        responses=TrafficSerializer,
        parameters=[
            OpenApiParameter("minutes", {"type": "integer", "minimum": 1, "maximum": DAY, "default": HOUR})
        ],
    )
    @action(detail=True, methods=["get"])
    def traffic(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Its requests of the last minutes, as the edges have counted them."""
        refuse_unknown(request, {"minutes"})
        text = request.query_params.get("minutes", str(HOUR))
        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:6]) <= DAY):
            raise InvalidQuery({"minutes": f"It is a number from 1 to {DAY}."})
        host, nodes = self.get_object().host, Node.objects.values_list("name", flat=True)
        report = read_traffic(host=host, nodes=nodes, minutes=int(text[:6]), now=timezone.now().timestamp())
        if report.failure:
            raise TrafficUnknown(report.failure)
        return Response(TrafficSerializer(report).data)

    @extend_schema(
        responses=ExplanationSerializer,
        parameters=[
            OpenApiParameter("url", required=True, description="A whole URL, or a path such as /a?x=1."),
            OpenApiParameter("method", description="GET, if it is left out."),
            OpenApiParameter("headers", many=True, description="A header of the request: `Name: value`."),
            OpenApiParameter("address", description="The client's address."),
            OpenApiParameter("country", description="The client's country: DE."),
            OpenApiParameter("answer", many=True, description="A header of the origin's answer."),
            OpenApiParameter("node", OpenApiTypes.STR, description="The edge; any that serves."),
        ],
    )
    @action(detail=True, methods=["get"])
    def why(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask an edge what it makes of a URL: its rule, its key, how long it would be kept."""
        refuse_unknown(request, set(WhyForm.base_fields), repeated=REPEATED)
        said = {name: request.query_params.get(name, "") for name in WhyForm.base_fields}
        said |= {name: "\n".join(request.query_params.getlist(name)) for name in REPEATED}
        form = WhyForm({**said, "method": said["method"] or "GET"}, domain=self.get_object())
        if not form.is_valid():
            raise InvalidQuery({name: str(errors[0]) for name, errors in form.errors.items()})
        if not is_whole(form.question().url):
            raise InvalidQuery({"url": "It is a whole URL, or a path that begins with /."})
        host = searched_hostname(urlsplit(form.question().url).hostname or "")
        owner = domains_of([host]).get(host)  # before an edge is asked: it says which names it does not serve
        require_owned(request, {host: owner.host if owner else ""})
        found = url_explain(question=form.question(), node=form.cleaned_data["node"])
        require_owned(request, {host: str(found.facts.get("domain", ""))})
        lines = [{"name": name, "value": value} for name, value in found.lines()]
        return Response({"node": found.node, "lines": lines, "facts": found.facts})
