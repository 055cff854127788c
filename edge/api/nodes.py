"""Nodes with what their edges say of themselves."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from api.filters import refuse_unknown
from edge.api import examples
from edge.api.serializers import PublicationStatusSerializer, published
from edge.models import Kind
from edge.services import objects_republish
from nodes.api import NodeViewSet


class PublishedNodeViewSet(NodeViewSet):
    """Machines that run an edge."""

    examples = {
        **NodeViewSet.examples,
        "status": {"response": examples.STATUS},
        "publish_again": {"response": examples.STATUS},
    }

    @extend_schema(responses=PublicationStatusSerializer)
    @action(detail=True, methods=["get"])
    def status(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """On how many edges its document is."""
        refuse_unknown(request, set())
        return Response(published(kind=Kind.NODE, object_id=self.get_object().pk))

    @extend_schema(request=None, responses={202: PublicationStatusSerializer})
    @action(detail=True, methods=["post"], url_path="publish-again")
    def publish_again(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Publish its document under a new revision, even if nothing has changed."""
        refuse_unknown(request, set())
        node = self.get_object()
        self.check_preconditions(node)
        objects_republish(kind=Kind.NODE, object_ids=[node.pk])
        return Response(published(kind=Kind.NODE, object_id=node.pk), status.HTTP_202_ACCEPTED)
