"""What purges look like in the API, and what is asked for."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.serializers import ModelSerializer, Serializer
from edge.api.serializers import EdgeAnswerSerializer
from edge.models import Purge, PurgeTarget
from edge.purges.services import LONGEST_NOTE, purge_status

#: Items of one bulk.
MOST = 1_000


class NamesField(serializers.ListField):
    """Some names, or none."""

    def __init__(self, *, longest: int = 8_192, **kwargs: Any) -> None:
        child = serializers.CharField(max_length=longest)
        super().__init__(child=child, required=False, default=list, **kwargs)


class WhatSerializer(Serializer):
    """What to purge of one domain."""

    urls = NamesField(help_text="Paths or whole URLs; one without a query stands for every query.")
    prefixes = NamesField(help_text="Every path that begins so.")
    tags = NamesField(help_text="Every answer to which the origin gave one of them.")
    everything = serializers.BooleanField(default=False, help_text="All of the domain; alone.")
    soft = serializers.BooleanField(
        default=False, help_text="What is purged is served once more while it is fetched anew."
    )
    note = serializers.CharField(
        max_length=LONGEST_NOTE, default="", allow_blank=True, help_text="Why, for your team."
    )


class PurgeRequestSerializer(WhatSerializer):
    """What to purge of which domains. Whole URLs say their domain themselves."""

    domains = NamesField(longest=253, help_text="Host names of domains.")


class PurgeStatusSerializer(Serializer):
    """One line for people; `finished`: nothing more will happen to it."""

    tone = serializers.ChoiceField(choices=["ok", "pending", "refused", "off"])
    sentence = serializers.CharField()
    finished = serializers.BooleanField()
    edges = EdgeAnswerSerializer(many=True)


class PurgeSerializer(ModelSerializer[Purge]):
    domain = serializers.CharField(source="domain.host", default=None, allow_null=True)
    requested_by = serializers.CharField(source="requested_by.username", default=None, allow_null=True)
    revision = serializers.IntegerField(source="rev", allow_null=True)
    status = serializers.SerializerMethodField()

    class Meta:
        model = Purge
        fields = [
            *("id", "domain", "host", "scope", "soft", "targets", "summary", "widened", "note"),
            *("requested_by", "created_at", "state", "epoch", "revision", "published_at"),
            *("done_at", "done_by", "status"),
        ]
        read_only_fields = fields

    @extend_schema_field(PurgeStatusSerializer)
    def get_status(self, purge: Any) -> dict[str, Any]:
        said = getattr(purge, "status", None) or purge_status(purge=purge)
        return dict(PurgeStatusSerializer(said).data)


class PurgesSerializer(Serializer):
    """One purge for each domain."""

    purges = PurgeSerializer(many=True)


class PurgeItemsSerializer(Serializer):
    atomic = serializers.BooleanField(default=False, help_text="All of them, or none.")
    items = PurgeRequestSerializer(many=True, allow_empty=False, max_length=MOST)  # type: ignore[call-arg]


class PurgeResultSerializer(Serializer):
    status = serializers.IntegerField(help_text="What it would have been answered alone.")
    purges = serializers.ListField(child=serializers.IntegerField(), help_text="Their numbers.")
    problem = serializers.DictField(required=False, help_text="Where it failed: why (RFC 9457).")


class PurgeResultsSerializer(Serializer):
    results = PurgeResultSerializer(many=True, help_text="In the order of the items.")
    failed = serializers.IntegerField()


class TargetSerializer(ModelSerializer[PurgeTarget]):
    class Meta:
        model = PurgeTarget
        fields = ["scope", "name"]
        read_only_fields = fields
