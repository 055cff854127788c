"""Operations: what has come of long work. Everybody sees their own."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from api.models import Operation
from api.serializers import ModelSerializer, Serializer
from api.viewsets import ReadViewSet


class OperationSerializer(ModelSerializer[Operation]):
    result = serializers.JSONField(read_only=True, help_text="null: there is none, or not yet.")

    class Meta:
        model = Operation
        fields = [
            "id",
            "kind",
            "state",
            "result",
            "error",
            "created_at",
            "started_at",
            "ended_at",
        ]
        read_only_fields = fields


class AcceptedSerializer(Serializer):
    """Work that was begun; `Location` says where to look."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    state = serializers.ChoiceField(choices=Operation.State.choices)


#: How the OpenAPI document shows it.
ACCEPTED = {"id": "0b6f0a52-8a55-4d8c-9b4e-5f3a3f0f7e11", "kind": "config_apply", "state": "pending"}
#: The header of who does not wait.
PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description="`respond-async`: answer with 202 at once, and do it after that (RFC 7240).",
)


class OperationViewSet(ReadViewSet):
    """Work that was answered with 202."""

    queryset = Operation.objects.all()
    serializer_class = OperationSerializer
    action_rights = {"list": [], "retrieve": []}
    domain_path = ""
    ordering = ["-created_at"]
    filterset_fields = ["kind", "state"]
    lookup_field = "pk"
    example = {
        "id": "0b6f0a52-8a55-4d8c-9b4e-5f3a3f0f7e11",
        "kind": "config_apply",
        "state": "running",
        "result": None,
        "error": "",
        "created_at": "2026-11-24T10:00:00Z",
        "started_at": "2026-11-24T10:00:01Z",
        "ended_at": None,
    }

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(user_id=getattr(self.request.user, "pk", None) or 0)
