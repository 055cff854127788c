"""What edges say, as documents."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.serializers import Serializer
from edge.edge_line import edge_line
from edge.health.lines import NodeHealth, health_line
from edge.services import EdgeChange, EdgeState, change_status, publication_status
from edge.traffic import CLASSES, TrafficReport

TONES = ["ok", "pending", "refused", "off"]


class EdgeAnswerSerializer(Serializer):
    """One edge's answer to a change."""

    node = serializers.CharField()
    answer = serializers.ChoiceField(choices=["applied", "pending", "refused", "unknown"])
    why = serializers.CharField()


class LineSerializer(Serializer):
    """One sentence for people, and how it should be coloured."""

    tone = serializers.ChoiceField(choices=TONES)
    sentence = serializers.CharField()


class PublicationStatusSerializer(LineSerializer):
    """Where something is served: `applied_by` of the `serving` edges have its `revision`."""

    revision = serializers.IntegerField(source="rev", allow_null=True)
    applied_by = serializers.IntegerField()
    serving = serializers.IntegerField()
    edges = EdgeAnswerSerializer(many=True)


def published(*, kind: str, object_id: int) -> dict[str, Any]:
    """Where the document of an object is, and what each serving edge says of it."""
    line = publication_status(kind=kind, object_id=object_id)
    edges: list[EdgeChange] = change_status(rev=line.rev).edges if line.rev else []
    told: dict[str, Any] = {"tone": line.tone, "sentence": line.sentence, "rev": line.rev}
    told |= {"applied_by": line.applied_by, "serving": line.serving, "edges": edges}
    return dict(PublicationStatusSerializer(told).data)


class PathSerializer(Serializer):
    path = serializers.CharField()
    requests = serializers.IntegerField()


class TrafficSerializer(Serializer):
    """The traffic of the last minutes, over all edges. Ratios and averages are null without requests."""

    minutes = serializers.IntegerField()
    since = serializers.IntegerField(help_text="Unix time at which the first minute began.")
    by_minute = serializers.ListField(
        child=serializers.IntegerField(), help_text="Requests of each minute; the last one is running."
    )
    requests = serializers.IntegerField()
    bytes = serializers.IntegerField(help_text="Sent to clients.")
    hit = serializers.IntegerField()
    stale = serializers.IntegerField()
    miss = serializers.IntegerField()
    bypass = serializers.IntegerField()
    hit_ratio = serializers.FloatField(allow_null=True)
    origin_requests = serializers.IntegerField()
    origin_seconds = serializers.FloatField(allow_null=True, help_text="What an origin took on average.")
    statuses = serializers.DictField(child=serializers.IntegerField(), help_text="Requests by class: 2xx.")
    top_paths = PathSerializer(many=True)

    def to_representation(self, report: TrafficReport) -> dict[str, Any]:
        total = report.total
        own = {str(name): getattr(total, str(name)) for name in self.fields if hasattr(total, str(name))}
        return {
            "minutes": len(report.requests),
            "since": report.first_minute * 60,
            "by_minute": report.requests,
            **own,
            "statuses": {name: total.classes[name] for name in CLASSES},
            "top_paths": [{"path": path, "requests": count} for path, count in total.top_paths],
        }


class EdgeStateSerializer(LineSerializer):
    """What an edge says of itself."""

    heard = serializers.BooleanField()
    heard_at = serializers.DateTimeField(allow_null=True)
    epoch = serializers.IntegerField()
    revision = serializers.IntegerField(source="rev")
    behind = serializers.IntegerField(help_text="Changes that it has not applied yet.")
    state = serializers.CharField()
    domains = serializers.IntegerField()
    version = serializers.CharField()
    skew = serializers.FloatField(help_text="Seconds that its clock is ahead of Redis's.")
    config_errors = serializers.IntegerField(help_text="Documents refused since its start.")
    refusals = serializers.DictField(help_text="Document → why it is refused.")
    orphans = serializers.IntegerField()
    orphan_names = serializers.ListField(child=serializers.CharField())

    def to_representation(self, state: EdgeState) -> dict[str, Any]:
        line = edge_line(state)
        own = {
            name: getattr(state, str(field.source))
            for name, field in self.fields.items()
            if name not in ("tone", "sentence")
        }
        return {"tone": line.tone, "sentence": line.sentence, **own}


class VantageSerializer(Serializer):
    """What one vantage point has found."""

    vantage = serializers.CharField()
    verdict = serializers.ChoiceField(choices=["up", "down", "unknown"])
    ok = serializers.BooleanField(help_text="Of the last probe.")
    why = serializers.CharField(help_text="Where it failed.")
    status = serializers.IntegerField(help_text="HTTP; 0: there was no answer.")
    milliseconds = serializers.FloatField()
    at = serializers.FloatField(help_text="Unix time.")


class NodeHealthSerializer(LineSerializer):
    """What the vantage points together think of a node."""

    verdict = serializers.ChoiceField(choices=["up", "down", "unknown"])
    up = serializers.ListField(child=serializers.CharField(), help_text="Vantage points with this vote.")
    down = serializers.ListField(child=serializers.CharField())
    vantages = VantageSerializer(many=True)

    def to_representation(self, health: NodeHealth) -> dict[str, Any]:
        line, thought = health_line(health), health.consensus
        vantages = [
            {
                "vantage": name,
                "verdict": str(report.damping.verdict),
                "ok": report.ok,
                "why": report.why,
                "status": report.status,
                "milliseconds": report.ms,
                "at": report.at,
            }
            for name, report in health.reports.items()
        ]
        return {
            "tone": line.tone,
            "sentence": line.sentence,
            "verdict": str(thought.verdict),
            "up": list(thought.up),
            "down": list(thought.down),
            "vantages": vantages,
        }


class NodeReportSerializer(Serializer):
    """A node, what its edge says, and what probes say of it."""

    name = serializers.CharField()
    region = serializers.CharField(source="region.name")
    state = serializers.CharField()
    edge = serializers.SerializerMethodField()
    health = serializers.SerializerMethodField()

    @extend_schema_field(EdgeStateSerializer(allow_null=True))
    def get_edge(self, node: Any) -> dict[str, Any] | None:
        return EdgeStateSerializer(node.edge_state).data if node.edge_state else None

    @extend_schema_field(NodeHealthSerializer)
    def get_health(self, node: Any) -> dict[str, Any]:
        return dict(NodeHealthSerializer(node.health).data)
