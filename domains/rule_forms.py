"""Forms of the portal for cache rules."""

from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from unfold.forms import PaginationInlineFormSet

from domains import limits
from domains.models import CacheCondition, CacheRule
from domains.parts import NOTHING


class RuleRowForm(forms.ModelForm):  # type: ignore[type-arg]
    """One rule in the list on its domain's page: its place, and whether it is enabled."""

    class Meta:
        model = CacheRule
        fields = ["position", "enabled"]

    def add_error(self, field: str | None, error: Any) -> None:
        """What is wrong with a field that this row does not show is said of the row."""
        if field is None and isinstance(error, ValidationError) and hasattr(error, "error_dict"):
            for name, errors in error.error_dict.items():
                super().add_error(name if name in self.fields or name == NON_FIELD_ERRORS else None, errors)
        else:
            super().add_error(field, error)


class ConditionFormSet(PaginationInlineFormSet):
    """The conditions of a rule. A row that was added and left empty is a mistake, not nothing:

    without it the rule would hold for every request.
    """

    def clean(self) -> None:
        """Refuse a rule that does nothing, and what would make the document of the domain too large."""
        if not self.instance.acts and len(self.forms) == len(self.deleted_forms):
            raise ValidationError(NOTHING)
        kept = [form for form in self.forms if form not in self.deleted_forms and not form.errors]
        here = sum(len(form.instance.value_list) for form in kept)
        others = CacheCondition.objects.filter(rule__domain_id=self.instance.domain_id)
        there = sum(len(condition.value_list) for condition in others.exclude(rule_id=self.instance.pk))
        if here + there > limits.ALL_VALUES:
            raise ValidationError(
                f"The rules of a domain have at most {limits.ALL_VALUES:,} values together; "
                f"these are {here:,} and its other rules have {there:,}."
            )

    def _construct_form(self, i: int, **kwargs: Any) -> Any:
        return super()._construct_form(i, **{"empty_permitted": False, **kwargs})
