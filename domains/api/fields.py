"""Fields of documents that the model stores in another way."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from domains.models import HostName


class LinesField(serializers.ListField):
    """A list that the model stores one value a line; `[]` where it says nothing."""

    child = serializers.CharField(max_length=2_000)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def to_representation(self, data: str) -> list[str]:  # type: ignore[override]
        return data.split("\n") if data else []

    def to_internal_value(self, data: Any) -> str:  # type: ignore[override]
        values = super().to_internal_value(data)
        if any("\n" in value or "\r" in value for value in values):
            raise serializers.ValidationError(["A value is one line."])
        return "\n".join(values)


@extend_schema_field({"type": "array", "items": {"type": "string", "maxLength": 253}})
class AliasesField(serializers.ListField):
    """The names of a domain beside its own, in order."""

    child = serializers.CharField(max_length=253)

    def to_representation(self, data: Any) -> list[str]:
        rows: list[HostName] = data.all()  # prefetched
        return sorted(row.name for row in rows if not row.primary)
