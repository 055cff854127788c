"""Fields that are stored in one form only, however they were typed."""

from collections.abc import Callable, Collection
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models, transaction


class NormalizedModel(models.Model):
    """A model that stores some fields in one form only, however they were typed.

    The form is made before Django validates or compares anything, so that uniqueness is a question of
    what is stored; and once more when saving, for whoever saves without validating.
    """

    #: Which fields, and how their form is made: a function that may raise `ValidationError`.
    FORMS: ClassVar[dict[str, Callable[[str], str]]] = {}

    class Meta:
        abstract = True

    @transaction.atomic  # with what the receivers of its signals write
    def save(self, *args: Any, **kwargs: Any) -> None:
        if errors := self._normalize():
            raise ValidationError(errors)
        super().save(*args, **kwargs)

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Normalize, then validate each field; what is wrong with several fields is said at once."""
        errors = self._normalize(exclude or ())
        try:
            super().clean_fields(exclude={*(exclude or ()), *errors})
        except ValidationError as error:
            errors |= error.message_dict
        if errors:
            raise ValidationError(errors)

    def _normalize(self, exclude: Collection[str] = ()) -> dict[str, list[str]]:
        errors: dict[str, list[str]] = {}
        for name in self.FORMS.keys() - set(exclude):
            if text := getattr(self, name):
                try:
                    setattr(self, name, self.FORMS[name](text))
                except ValidationError as error:
                    errors[name] = error.messages
        return errors
