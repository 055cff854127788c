"""The configuration in the API: exported, planned and applied."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from api import dry_run, operations
from api.errors import Invalid
from api.filters import refuse_unknown
from api.limits import BULK
from api.operations_api import ACCEPTED, PREFER, AcceptedSerializer
from api.problems import pointer
from api.serializers import Serializer
from api.viewsets import BaseViewSet
from configuration.applying import REMOVE_SHARE, config_apply
from configuration.comparing import Plan
from configuration.errors import ConfigInvalid
from configuration.exporting import config_export
from configuration.later import VIEW, apply_begin, told
from configuration.secrets import as_told
from configuration.tasks import apply_later

EXAMPLE: dict[str, Any] = {
    "version": 1,
    "regions": [{"name": "eu-west", "title": "Western Europe"}],
    "nodes": [{"name": "edge-1", "region": "eu-west", "ipv4": "192.0.2.1", "state": "up"}],
    "domains": [
        {
            "host": "www.example.com",
            "aliases": ["example.com"],
            "origins": [{"scheme": "https", "host": "origin.example.com"}],
        }
    ],
}
PLAN: dict[str, Any] = {
    "items": [
        {
            "section": "domains",
            "key": "www.example.com",
            "change": "changed",
            "fields": [{"path": "origins[0].host", "before": "192.0.2.80", "after": "origin.example.com"}],
        }
    ],
    "created": 0,
    "changed": 1,
    "removed": 0,
    "notes": [],
}
REHEARSAL: dict[str, Any] = {
    "dry_run": True,
    "status": 200,
    "result": PLAN,
    "changes": {
        "documents": [
            {
                "kind": "domain",
                "key": "www.example.com",
                "change": "replaced",
                "document": {"host": "www.example.com", "aliases": ["example.com"]},
            }
        ],
        "names": [{"name": "www.example.com", "zone": "example.com", "change": "appears"}],
    },
}


class ApplySerializer(Serializer):
    """`document`: as GET /config gives it; secrets stand in it as they are."""

    document = serializers.DictField()
    prune = serializers.BooleanField(default=False, help_text="Remove what the sections do not name.")
    remove_share = serializers.FloatField(
        default=REMOVE_SHARE, min_value=0, max_value=1, help_text="What may go of one kind at once."
    )


class FieldChangeSerializer(Serializer):
    path = serializers.CharField()
    before = serializers.JSONField(help_text="null: its default.")
    after = serializers.JSONField(help_text="null: its default.")


class ItemChangeSerializer(Serializer):
    section = serializers.CharField()
    key = serializers.CharField()
    change = serializers.ChoiceField(choices=["created", "changed", "removed"])
    fields = FieldChangeSerializer(many=True)  # type: ignore[assignment]


class PlanSerializer(Serializer):
    items = ItemChangeSerializer(many=True)
    created = serializers.IntegerField()
    changed = serializers.IntegerField()
    removed = serializers.IntegerField()
    notes = serializers.ListField(
        child=serializers.CharField(), help_text="What to know beside it; why an apply would be refused."
    )


class ConfigViewSet(BaseViewSet):
    """Regions, nodes, authorities, zones, domains and secondaries in one document."""

    resource = "config"
    serializer_class = ApplySerializer
    body_limit = BULK
    pagination_class = None
    #: What is added, changed and deleted needs its own right besides.
    action_rights = {"list": VIEW, "plan": VIEW, "apply": VIEW}
    rehearsed = ["apply"]
    example = EXAMPLE
    examples = {
        "list": {"response": EXAMPLE},
        "plan": {"request": {"document": EXAMPLE}, "response": PLAN},
        "apply": {
            "request": {"document": EXAMPLE, "prune": False},
            "response": PLAN,
            "rehearsal": REHEARSAL,
            "accepted": ACCEPTED,
        },
    }

    @extend_schema(responses=OpenApiTypes.OBJECT, filters=False)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """All of it, without secrets; what has its default is left out."""
        refuse_unknown(request, set())
        return Response(config_export())

    @extend_schema(request=ApplySerializer, responses=PlanSerializer)
    @action(detail=False, methods=["post"])
    def plan(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What `apply` would do, field by field; nothing is done.

        Where `apply` would be refused, as too much would go, `notes` say so.
        """
        refuse_unknown(request, set())
        return answer(self._apply(plan_only=True))

    @extend_schema(
        request=ApplySerializer,
        responses={200: PlanSerializer, 202: AcceptedSerializer},
        parameters=[PREFER],
    )
    @action(detail=False, methods=["post"])
    def apply(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Have everything as the document says, in one transaction. A section that it lacks is not touched.

        Refused (409) where more than `remove_share` of one kind would go. With `Prefer: respond-async` it is
        answered with 202 at once, and `Location` is the operation, whose `result` will be the plan.
        """
        if operations.is_wanted(request) and not dry_run.is_wanted(request):
            asked = self._asked()
            return operations.accepted(apply_begin(request=request, task=apply_later, asked=asked))
        return dry_run.answered(request, self._apply, answer)

    def _asked(self) -> dict[str, Any]:
        asked = ApplySerializer(data=self.request.data)
        asked.is_valid(raise_exception=True)
        return dict(asked.validated_data)

    def _apply(self, *, plan_only: bool = False) -> Plan:
        asked = self._asked()
        try:
            return config_apply(**asked, reveal=as_told, user=self.request.user, plan_only=plan_only)
        except ConfigInvalid as error:
            raise Invalid(
                {pointer(("document", *path)): said for path, said in error.errors.items()}
            ) from error


def answer(plan: Plan) -> Response:
    """A plan as the API shows it."""
    return Response(told(plan))
