"""Forms of the portal for what belongs together across rows: the aliases of one domain."""

from typing import Any

from django import forms
from unfold.forms import PaginationInlineFormSet

from domains.models import HostName


class AliasForm(forms.ModelForm):  # type: ignore[type-arg]
    """One alias. Whether it is the only one of its name, only all rows together can say."""

    class Meta:
        model = HostName
        fields = ["name"]

    def validate_unique(self) -> None:
        """Nothing: two rows that exchange their names are right, though each name is taken now.

        `HostName.clean` asks for the claims of other domains, `AliasFormSet.clean` for our own.
        """


class AliasFormSet(PaginationInlineFormSet):
    """The aliases of one domain, as they will be together after the save."""

    def clean(self) -> None:
        """Refuse, at its row, a name that this form gives twice or that is the domain's own."""
        seen: set[str] = set()
        for form in self._kept_forms():
            name = form.instance.name
            if name in seen:
                form.add_error("name", f"{form.instance} stands here twice.")
            elif name == self.instance.host and form.has_changed():
                form.add_error("name", f"{form.instance} is the host name of this domain itself.")
            seen.add(name)

    def save(self, commit: bool = True) -> list[Any]:
        """Save the rows; the names of changed and deleted ones are given up first.

        So names can be exchanged between rows, or pass from a deleted row to a new one, without two
        rows that have one name in between.
        """
        if commit:
            changed = [form.instance.pk for form in self.initial_forms if form.has_changed()]
            self.get_queryset().model.objects.filter(pk__in=changed).delete()
        return super().save(commit=commit)

    def _kept_forms(self) -> list[AliasForm]:
        return [
            form
            for form in self.forms
            if form not in self.deleted_forms and form.cleaned_data.get("name") and not form.errors
        ]
