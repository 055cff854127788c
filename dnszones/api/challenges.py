"""What proves names to authorities through the DNS now (ACME DNS-01)."""

import django_filters
from rest_framework import serializers

from api.filters import FilterSet
from api.serializers import ModelSerializer
from api.viewsets import ReadViewSet
from dnszones.api import examples
from dnszones.models import Challenge


class ChallengeSerializer(ModelSerializer[Challenge]):
    zone = serializers.CharField(source="zone.apex")

    class Meta:
        model = Challenge
        fields = ["id", "zone", "name", "value", "created_at"]
        read_only_fields = fields


class ChallengeFilter(FilterSet):
    zone = django_filters.CharFilter(field_name="zone__apex")

    class Meta:
        model = Challenge
        fields = ["name"]


class ChallengeViewSet(ReadViewSet):
    """TXT records that orders have made and will withdraw: only to be read."""

    resource = "zones"
    queryset = Challenge.objects.select_related("zone")
    serializer_class = ChallengeSerializer
    lookup_field = "id"
    lookup_value_regex = "[0-9]{1,18}"
    filterset_class = ChallengeFilter
    search_fields = ["name", "zone__apex"]
    ordering = ["-created_at"]
    example = examples.CHALLENGE
