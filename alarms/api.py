"""Alarms in the API: to be read. They close by themselves when their cause is gone."""

from typing import Any

import django_filters

from alarms.models import Alarm
from api.filters import FilterSet
from api.serializers import ModelSerializer
from api.viewsets import ReadViewSet


class AlarmSerializer(ModelSerializer[Alarm]):
    class Meta:
        model = Alarm
        fields = ["id", "kind", "subject", "sentence", "severity", "raised_at", "changed_at", "cleared_at"]
        read_only_fields = fields


class AlarmFilter(FilterSet):
    open = django_filters.BooleanFilter(method="filter_open", label="Its cause lasts.")
    since = django_filters.IsoDateTimeFilter(field_name="raised_at", lookup_expr="gte")

    class Meta:
        model = Alarm
        fields = ["kind", "subject", "severity"]

    def filter_open(self, alarms: Any, name: str, wanted: bool) -> Any:
        return alarms.filter(cleared_at__isnull=wanted)


class AlarmViewSet(ReadViewSet):
    """What somebody should look at, from when it was noticed until it was well again."""

    resource = "alarms"
    queryset = Alarm.objects.all()
    serializer_class = AlarmSerializer
    filterset_class = AlarmFilter
    search_fields = ["kind", "subject", "sentence"]
    lookup_value_regex = "[0-9]{1,18}"
    ordering = ["-raised_at"]
    ordering_fields = ["raised_at"]
    example = {
        "id": 3,
        "kind": "region_share",
        "subject": "eu-west",
        "sentence": "1 of 4 edges of eu-west is up.",
        "severity": "critical",
        "raised_at": "2026-11-24T10:00:00Z",
        "changed_at": "2026-11-24T10:00:00Z",
        "cleared_at": None,
    }
