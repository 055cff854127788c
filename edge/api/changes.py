"""Changes: what has been published under which revision, who has applied it, and what waits."""

from typing import Any

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from api.credentials import credential_of
from api.filters import FilterSet, refuse_unknown
from api.serializers import ModelSerializer, Serializer
from api.viewsets import ReadViewSet
from edge.api import examples
from edge.api.serializers import EdgeAnswerSerializer
from edge.models import Kind, Outbox, Publication
from edge.services import ChangeStatus, change_status, objects_republish, outbox_retry

#: Kinds of documents that belong to a domain, under its host name.
OF_DOMAINS = (Kind.DOMAIN, Kind.PURGE, Kind.CHALLENGE, Kind.CERTIFICATE)


class PublicationSerializer(ModelSerializer[Publication]):
    revision = serializers.IntegerField(source="rev")

    class Meta:
        model = Publication
        fields = [
            *("revision", "kind", "key", "epoch", "live", "saved_at", "published_at"),
            *("applied_at", "applied_by", "stream_id", "digest", "object_id"),
        ]
        read_only_fields = fields


class ChangeSerializer(Serializer):
    """Who has applied a revision. `publication` is null where a newer one has overtaken it: an edge that
    has gone past it counts as having applied it."""

    revision = serializers.IntegerField(source="rev")
    publication = PublicationSerializer(allow_null=True)
    edges = EdgeAnswerSerializer(many=True)


class ChangeFilter(FilterSet):
    class Meta:
        model = Publication
        fields = {"kind": ["exact"], "key": ["exact"], "live": ["exact"], "applied_at": ["isnull"]}


class ChangeViewSet(ReadViewSet):
    """The newest revision of each document."""

    resource = "changes"
    queryset = Publication.objects.all()
    serializer_class = PublicationSerializer
    domain_path = ""
    lookup_field = "rev"
    lookup_url_kwarg = "revision"
    lookup_value_regex = "[0-9]{1,18}"
    filterset_class = ChangeFilter
    search_fields = ["key"]
    ordering = ["-rev"]
    example = examples.CHANGE
    examples = {
        "retrieve": {
            "response": {"revision": 4711, "publication": examples.CHANGE, "edges": examples.EDGES},
        },
        "publish_again": {
            "response": {"revision": 4712, "publication": examples.CHANGE, "edges": examples.EDGES},
        },
    }

    def get_queryset(self) -> Any:
        credential = credential_of(self.request)
        rows = super().get_queryset()
        if credential and credential.hosts:
            return rows.filter(Q(kind__in=OF_DOMAINS) & Q(key__in=credential.hosts))
        return rows

    @extend_schema(responses=ChangeSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Who has applied it."""
        refuse_unknown(request, set())
        return self.shown(self.represent(self._change()))

    def represent(self, row: ChangeStatus) -> dict[str, Any]:
        """What is told of one change: more than of each one in the list."""
        return dict(ChangeSerializer(row).data)

    @extend_schema(request=None, responses={202: PublicationSerializer})
    @action(detail=True, methods=["post"], url_path="publish-again")
    def publish_again(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Publish its document under a new revision, even if nothing has changed."""
        refuse_unknown(request, set())
        publication = self.get_object()
        self.check_preconditions(self._change())
        objects_republish(kind=publication.kind, object_ids=[publication.object_id])
        publication.refresh_from_db()
        return Response(PublicationSerializer(publication).data, status.HTTP_202_ACCEPTED)

    def _change(self) -> ChangeStatus:
        change = change_status(rev=int(self.kwargs["revision"]))
        credential = credential_of(self.request)
        limited = credential and credential.hosts
        if not change.given or (limited and not self.get_queryset().filter(rev=change.rev).exists()):
            raise NotFound(f"There is no change {change.rev}.")
        return change


class OutboxSerializer(ModelSerializer[Outbox]):
    class Meta:
        model = Outbox
        fields = ["id", "kind", "object_id", "staged_at", "error", "attempts", "retry_at"]
        read_only_fields = fields


class OutboxViewSet(ReadViewSet):
    """Saved changes that are not in Redis yet; mostly there are none."""

    resource = "changes"
    queryset = Outbox.objects.all()
    serializer_class = OutboxSerializer
    lookup_field = "id"
    lookup_value_regex = "[0-9]{1,18}"
    repeatable = ["retry"]
    filterset_fields = ["kind", "object_id"]
    search_fields = ["error"]
    ordering = ["id"]
    example = examples.WAITING
    examples = {"retry": {"response": examples.WAITING}}

    @extend_schema(request=None, responses={200: OutboxSerializer, 204: None})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Try it again now: 204 where it has been published."""
        refuse_unknown(request, set())
        waiting = self.get_object()
        self.check_preconditions(waiting)
        outbox_retry(ids=[waiting.pk])
        left = self.get_queryset().filter(pk=waiting.pk).first()
        return self.answer(left)
