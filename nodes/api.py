"""Regions, nodes and the changes of their states in the API."""

from collections.abc import Callable
from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from api.credentials import who
from api.filters import FilterSet, InFilter, refuse_unknown
from api.serializers import ModelSerializer, Serializer
from api.viewsets import ReadViewSet, ResourceViewSet
from nodes.models import Node, NodeEvent, Region, RegionBackup
from nodes.services import node_add, node_drain, node_maintain, node_take_into_service, safe_to_stop

#: How the OpenAPI document shows them.
NODE: dict[str, Any] = {
    "name": "edge-1",
    "region": "eu-west",
    "state": "up",
    "is_edge": True,
    "is_shield": False,
    "ipv4": "192.0.2.1",
    "ipv6": None,
    "status_address": None,
    "status_port": 9145,
    "weight": 100,
    "notes": "",
    "safe_to_stop": False,
    "withdrawn_at": None,
    "safe_to_stop_at": None,
    "created_at": "2026-11-24T10:00:00Z",
    "updated_at": "2026-11-24T10:00:00Z",
}
CHANGE: dict[str, Any] = {
    "id": 12,
    "node": "edge-1",
    "at": "2026-11-24T10:00:00Z",
    "old": "up",
    "new": "draining",
    "reason": "a new kernel",
    "by": "olga",
}


class BackupField(serializers.SlugRelatedField[Region]):
    """A region by its name."""

    default_error_messages = {"does_not_exist": "There is no region “{value}”."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(slug_field="name", queryset=Region.objects.all(), **kwargs)


class RegionSerializer(ModelSerializer[Region]):
    backups = serializers.ListField(
        child=BackupField(),
        required=False,
        help_text="Who takes over, in turn, while no node of this region is healthy. Empty: all the others.",
    )

    class Meta:
        model = Region
        fields = ["name", "title", "backups"]

    def to_representation(self, instance: Region) -> dict[str, Any]:
        names = [row.backup.name for row in instance.backup_rows.all()]
        return {"name": instance.name, "title": instance.title, "backups": names}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if not self.partial:
            attrs.setdefault("backups", [])
        backups = attrs.get("backups", [])
        if len(set(backups)) < len(backups):
            raise ValidationError({"backups": ["A region is named twice."]})
        if self.instance is not None and self.instance in backups:
            raise ValidationError({"backups": ["A region cannot take over from itself."]})
        return attrs

    def save_related(self, instance: Region, related: dict[str, Any]) -> None:
        backups = related.get("backups")
        rows = list(RegionBackup.objects.filter(region=instance))
        if backups is None or [row.backup_id for row in rows] == [backup.pk for backup in backups]:
            return
        for row in rows:
            row.delete()
        for turn, backup in enumerate(backups, 1):
            RegionBackup(region=instance, backup=backup, position=10 * turn).save()


class RegionViewSet(ResourceViewSet):
    """Groups of nodes that are near to the same clients."""

    resource = "nodes"
    queryset = Region.objects.prefetch_related("backup_rows__backup")
    serializer_class = RegionSerializer
    lookup_field = "name"
    put_creates = True
    search_fields = ["name", "title"]
    ordering = ["name"]
    ordering_fields = ["name"]
    example = {"name": "eu-west", "title": "Western Europe", "backups": ["eu-north", "us-east"]}


class NodeSerializer(ModelSerializer[Node]):
    region = BackupField()
    safe_to_stop = serializers.SerializerMethodField()

    class Meta:
        model = Node
        fields = [
            *("name", "region", "state", "is_edge", "is_shield", "ipv4", "ipv6"),
            *("status_address", "status_port", "weight", "notes"),
            *("safe_to_stop", "withdrawn_at", "safe_to_stop_at", "created_at", "updated_at"),
        ]
        read_only_fields = ["withdrawn_at", "safe_to_stop_at", "created_at", "updated_at"]

    def get_safe_to_stop(self, node: Node) -> bool:
        """Whether its machine may be stopped now without a client noticing."""
        return safe_to_stop(node).safe

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is not None:
            # A document that was read earlier would put back a state that has changed meanwhile.
            state = attrs.pop("state", self.instance.state)
            if self.partial and state != self.instance.state:
                raise ValidationError({"state": ["Use the actions up, drain and maintenance."]})
        return super().validate(attrs)

    def _defaults(self, attrs: dict[str, Any]) -> dict[str, Any]:
        defaults = super()._defaults(attrs)
        if self.instance is not None:
            defaults.pop("state", None)
        return defaults

    def insert(self, instance: Node) -> Node:
        node_add(node=instance, by=who(self.context["request"]))
        return instance


class StateChangeSerializer(ModelSerializer[NodeEvent]):
    node = serializers.CharField(source="node.name")

    class Meta:
        model = NodeEvent
        fields = ["id", "node", "at", "old", "new", "reason", "by"]
        read_only_fields = fields


class ReasonSerializer(Serializer):
    """Why the state of a node is changed."""

    reason = serializers.CharField(
        max_length=1000, required=False, default="", allow_blank=True, help_text="For the timeline."
    )


class MaintenanceSerializer(ReasonSerializer):
    force = serializers.BooleanField(
        required=False, default=False, help_text="Even where clients may still be sent to it: they notice."
    )


class NodeFilter(FilterSet):
    region = django_filters.CharFilter(field_name="region__name")
    state__in = InFilter(field_name="state", lookup_expr="in")

    class Meta:
        model = Node
        fields = ["state", "is_edge", "is_shield"]


class NodeViewSet(ResourceViewSet):
    """Machines that run an edge."""

    resource = "nodes"
    queryset = Node.objects.select_related("region")
    serializer_class = NodeSerializer
    lookup_field = "name"
    put_creates = True
    filterset_class = NodeFilter
    search_fields = ["name", "region__name", "ipv4", "ipv6", "notes"]
    ordering = ["name"]
    ordering_fields = ["name", "state", "created_at"]
    #: Probes change these.
    unversioned = ["state", "safe_to_stop", "withdrawn_at", "safe_to_stop_at", "updated_at"]
    rehearsed = ["up", "drain", "maintenance"]
    examples = {
        "up": {"request": {"reason": "the new kernel runs"}, "response": NODE},
        "drain": {"request": {"reason": "a new kernel"}, "response": {**NODE, "state": "draining"}},
        "maintenance": {
            "request": {"reason": "a new disk", "force": False},
            "response": {**NODE, "state": "maintenance", "safe_to_stop": True},
        },
        "state_changes": {"response": {"results": [CHANGE], "next": None}},
    }
    action_rights = {"state_changes": ["nodes.view_nodeevent"]}
    example = NODE

    @extend_schema(request=ReasonSerializer, responses=NodeSerializer)
    @action(detail=True, methods=["post"], serializer_class=ReasonSerializer)
    def up(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take it into service: clients are sent to it."""
        return self._move(node_take_into_service)

    @extend_schema(request=ReasonSerializer, responses=NodeSerializer)
    @action(detail=True, methods=["post"], serializer_class=ReasonSerializer)
    def drain(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send it no new clients; it serves on until the last answer of the DNS with it has expired."""
        return self._move(node_drain)

    @extend_schema(request=MaintenanceSerializer, responses=NodeSerializer)
    @action(detail=True, methods=["post"], serializer_class=MaintenanceSerializer)
    def maintenance(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Nobody waits for it. Refused where clients may still be sent to it, unless it is forced."""
        return self._move(node_maintain)

    @extend_schema(responses=StateChangeSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], url_path="state-changes")
    def state_changes(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """How its state has changed, the newest first."""
        refuse_unknown(request, {"limit", "cursor"})
        events = self.get_object().events.select_related("node")
        self.ordering = StateChangeViewSet.ordering
        page = self.paginate_queryset(events)
        return self.get_paginated_response(StateChangeSerializer(page, many=True).data)

    def _move(self, service: Callable[..., bool]) -> Response:
        how = self.get_serializer(data=self.request.data or {})
        how.is_valid(raise_exception=True)
        self.serializer_class = NodeSerializer

        def change() -> Node:
            node: Node = self.locked()
            service(node=node, by=who(self.request), **how.validated_data)
            return node

        return self.carry_out(change)


class StateChangeFilter(FilterSet):
    node = django_filters.CharFilter(field_name="node__name")
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")

    class Meta:
        model = NodeEvent
        fields = ["new", "by"]


class StateChangeViewSet(ReadViewSet):
    """How the states of all nodes have changed."""

    resource = "nodes"
    queryset = NodeEvent.objects.select_related("node")
    serializer_class = StateChangeSerializer
    filterset_class = StateChangeFilter
    search_fields = ["node__name", "by", "reason"]
    lookup_value_regex = "[0-9]{1,18}"
    ordering = ["-at"]
    example = CHANGE
