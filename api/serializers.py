"""The base of every serializer: a document is held against the model's own rules, and nothing is ignored.

DRF runs neither `clean()` nor the constraints of a model. This one runs `full_clean()` over a copy, so that
the API refuses what the admin refuses, in the same words.
"""

import copy
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import models
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import get_error_detail
from rest_framework.validators import UniqueValidator

Row = TypeVar("Row", bound=models.Model)


#: DRF's fields, the first one that fits → what their values are in JSON. DRF takes 0 for "0", and "no" for
#: false.
JSON_TYPES: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], Callable[[Any], bool]], ...] = (
    (serializers.CharField, lambda value: isinstance(value, str)),
    (serializers.RelatedField, lambda value: isinstance(value, str)),  # by its name
    (serializers.BooleanField, lambda value: isinstance(value, bool)),
    (
        serializers.IntegerField,
        lambda value: (
            isinstance(value, int)
            and not isinstance(value, bool)
            or isinstance(value, float)
            and value.is_integer()
        ),
    ),
    (serializers.FloatField, lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
)

NO_TEXT = serializers.CharField.default_error_messages["invalid"]


class StrictMixin:
    """Refuses fields that are not there, and values that are no JSON of their field's type.

    What only Cirrus writes may be sent back, with any value; it counts nothing.
    """

    def to_internal_value(self: Any, data: Any) -> Any:
        if isinstance(data, dict):
            wrong: dict[str, Any] = {}
            for name, value in data.items():
                field = self.fields.get(name)
                if field is None:
                    wrong[str(name)] = ["There is no such field."]
                elif not field.read_only and (said := misfit(field, value)):
                    wrong[name] = said
            if wrong:
                raise ValidationError(wrong)
        return super().to_internal_value(data)  # type: ignore[misc]


def misfit(field: Any, value: Any) -> Any:
    """What is wrong with the JSON type of a field's value, as DRF would say it; nothing where it fits.

    What is null, and whether that may be, is a question of its own.
    """
    if value is None:
        return None
    item_field = getattr(field, "child_relation", None) or getattr(field, "child", None)
    if item_field and isinstance(value, list):
        return {place: said for place, item in enumerate(value) if (said := misfit(item_field, item))}
    fits = next((fits for kind, fits in JSON_TYPES if isinstance(field, kind)), None)
    return [field.error_messages.get("invalid", NO_TEXT)] if fits and not fits(value) else None


class Serializer(StrictMixin, serializers.Serializer[Any]):
    """For what is no model: the document of an action, for example."""


class ModelSerializer(StrictMixin, serializers.ModelSerializer[Row]):
    """A row as a document. A PUT that leaves out a field sets its default (write-only fields stay)."""

    def get_fields(self) -> Any:
        fields = super().get_fields()
        for field in fields.values():  # full_clean() asks the same, in one place
            kept = [check for check in field.validators if not isinstance(check, UniqueValidator)]
            if len(kept) < len(field.validators):
                field.validators = kept
        return fields

    def get_validators(self) -> Any:
        return []

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not self.partial:
            attrs = {**self._defaults(attrs), **attrs}
        candidate = self.candidate(attrs)
        try:
            candidate.full_clean(exclude=self.uncleaned(attrs))
        except DjangoValidationError as error:
            raise ValidationError(self._named(get_error_detail(error))) from error
        # clean() may have brought values into their one form.
        return {name: getattr(candidate, name) if name in self._columns() else attrs[name] for name in attrs}

    def candidate(self, attrs: dict[str, Any]) -> Any:
        """The row as it would be, not saved."""
        model: Any = self.Meta.model
        candidate: Any = model() if self.instance is None else copy.copy(self.instance)
        for name in self._columns() & set(attrs):
            setattr(candidate, name, attrs[name])
        return candidate

    def uncleaned(self, attrs: dict[str, Any]) -> set[str]:
        """Model fields that `full_clean()` leaves out: what is only known when the row is saved."""
        return set()

    def create(self, validated_data: dict[str, Any]) -> Row:
        """Save a new row. Override `insert` to call a service."""
        columns = self._columns()
        row = {name: value for name, value in validated_data.items() if name in columns}
        model: Any = self.Meta.model
        instance = self.insert(model(**row))
        self.save_related(
            instance, {name: value for name, value in validated_data.items() if name not in columns}
        )
        return instance

    def update(self, instance: Row, validated_data: dict[str, Any]) -> Row:
        """Save what differs, and nothing where nothing does: no signal is sent then, no revision made."""
        columns = self._columns()
        changed = [name for name in validated_data if name in columns]
        changed = [name for name in changed if getattr(instance, name) != validated_data[name]]
        for name in changed:
            setattr(instance, name, validated_data[name])
        if changed:
            self.save_changes(instance, changed)
        self.save_related(
            instance, {name: value for name, value in validated_data.items() if name not in columns}
        )
        return instance

    def insert(self, instance: Row) -> Row:
        """Save a new row."""
        instance.save()
        return instance

    def save_changes(self, instance: Row, changed: list[str]) -> None:
        """Save these columns alone: others may have been changed since the row was read."""
        automatic = [
            field.name for field in instance._meta.concrete_fields if getattr(field, "auto_now", False)
        ]
        instance.save(update_fields=[*changed, *automatic])

    def save_related(self, instance: Row, related: dict[str, Any]) -> None:
        """Save what is no column of the row: many-to-many fields; override it for nested documents."""
        for name, value in related.items():
            manager = getattr(instance, name)
            if set(manager.all()) != set(value):
                manager.set(value)

    def _columns(self) -> set[str]:
        return {field.name for field in self.Meta.model._meta.concrete_fields}  # type: ignore[attr-defined]

    def _defaults(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Columns that the document leaves out, by their defaults."""
        meta = self.Meta.model._meta  # type: ignore[attr-defined]
        columns = self._columns()
        return {
            field.source: meta.get_field(field.source).get_default()
            for field in self._writable_fields
            if field.source in columns and field.source not in attrs and not field.write_only
        }

    def _named(self, detail: Any) -> Any:
        """Errors of model fields under the names that they have here."""
        if not isinstance(detail, dict):
            return detail
        names = {field.source: name for name, field in self.fields.items()}
        return {names.get(name, "non_field_errors"): reasons for name, reasons in detail.items()}
