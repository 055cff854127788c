"""Forms of the portal for zones: records that are looked at together, overrides, and keys."""

from typing import Any

from django import forms
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import UnfoldAdminTextInputWidget

from dnszones.conflicts import Row, conflict, cuts_of, taken_names
from dnszones.models import Challenge, Record, Secondary, Site
from dnszones.names import encode_name
from dnszones.secondaries import key_checked
from dnszones.services import override_problem


class RecordForm(forms.ModelForm):  # type: ignore[type-arg]
    """One record. Whether it can stand beside the others, all of them together say."""

    class Meta:
        model = Record
        fields = ["name", "type", "ttl", "value"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.checked_together = True

    def validate_unique(self) -> None:
        """Nothing: two rows may exchange what they say, though each of it is taken now."""

    def validate_constraints(self) -> None:
        """Nothing, for the same reason: `RecordFormSet.clean` looks at all rows."""


class RecordFormSet(PaginationInlineFormSet):
    """The records of one zone, as they will be together after the save."""

    def clean(self) -> None:
        """Refuse, at its row, what cannot stand beside the other rows, or beside what is not on this page."""
        forms_kept = self._kept_forms()
        zone = self.instance
        if not forms_kept or not zone.pk:
            taken, cuts = {}, {}
        else:
            taken, cuts = taken_names(zone, [form.instance.name for form in forms_kept]), cuts_of(zone)
        before = self._rows_elsewhere() if zone.pk else []
        # What was there before is not at fault; of what is new, an alias comes last.
        for form in sorted(forms_kept, key=lambda form: (form.has_changed(), form.instance.type == "CNAME")):
            record = form.instance
            row = Row(record.name, record.type, record.value)
            if problem := conflict(row, before, taken=taken, cuts=cuts):
                form.add_error("name", problem)
            before.append(row)

    def save(self, commit: bool = True) -> list[Any]:
        """Save the rows; what changed and deleted ones said is given up first, so that it can pass on."""
        if commit:
            changed = [form.instance.pk for form in self.initial_forms if form.has_changed()]
            Record.objects.filter(pk__in=changed).delete()
        return super().save(commit=commit)

    def _rows_elsewhere(self) -> list[Row]:
        here = [form.instance.pk for form in self.initial_forms]
        others = Record.objects.filter(zone=self.instance).exclude(pk__in=here)
        rows = [Row(*values) for values in others.values_list("name", "type", "value")]
        challenges = Challenge.objects.filter(zone=self.instance).values_list("name", "value")
        return rows + [Row(name, "TXT", f'"{value}"') for name, value in challenges]

    def _kept_forms(self) -> list[RecordForm]:
        return [
            form
            for form in self.forms
            if form not in self.deleted_forms and form.cleaned_data.get("value") and not form.errors
        ]


class SiteForm(forms.ModelForm):  # type: ignore[type-arg]
    """How a domain's nodes are chosen."""

    class Meta:
        model = Site
        fields = ["replicas", "ttl", "pinned", "excluded", "regions"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        problem = override_problem(cleaned.get("pinned") or [], cleaned.get("excluded") or [])
        if problem:
            self.add_error("excluded", problem)
        return cleaned


class SecondaryForm(forms.ModelForm):  # type: ignore[type-arg]
    """A secondary; its key can be given, and is never shown."""

    secret = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=(
            "In base64. Empty: for a new secondary a key is made, an existing one keeps its own. It is "
            "stored sealed and never shown; manage.py nsd_config writes it into the secondary's files."
        ),
    )

    class Meta:
        model = Secondary
        fields = ["name", "enabled", "address", "port", "zones", "tsig_name", "tsig_algorithm", "notes"]

    def clean_tsig_name(self) -> str:
        """A key's name is a DNS name: one that is none would spoil the configuration of its secondary."""
        return encode_name(self.cleaned_data["tsig_name"], wildcard=False)

    def clean_secret(self) -> str:
        text: str = self.cleaned_data["secret"].strip()
        return key_checked(text) if text else ""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        # A secret is sealed for the name of its key, so a renamed key needs it again.
        if self.instance.pk and "tsig_name" in self.changed_data and not cleaned.get("secret"):
            self.add_error("secret", "A key with another name is another key: enter its secret.")
        return cleaned
