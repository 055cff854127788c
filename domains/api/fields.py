"""Fields of documents that the model stores in another way."""

from collections.abc import Iterable
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


class RowsSerializer(serializers.ListSerializer[Any]):
    """Rows of a parent: those that were prefetched as `{source}_rows` (a list costs far less), else all."""

    def get_attribute(self, instance: Any) -> Any:
        rows = getattr(instance, f"{self.source}_rows", None)
        return super().get_attribute(instance) if rows is None else rows


@extend_schema_field({"type": "array", "items": {"type": "string", "maxLength": 253}})
class AliasesField(serializers.ListField):
    """The names of a domain beside its own, in order."""

    child = serializers.CharField(max_length=253)

    def get_attribute(self, instance: Any) -> Any:
        rows = getattr(instance, "hostnames_rows", None)
        return instance.hostnames.all() if rows is None else rows

    def to_representation(self, data: Iterable[HostName]) -> list[str]:
        return sorted(row.name for row in data if not row.primary)
