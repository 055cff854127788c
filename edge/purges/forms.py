"""The form that asks for a purge."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from edge.errors import PurgeLimited, PurgeRefused
from edge.models import Purge
from edge.purges.services import purge_request

#: What can be chosen → the argument of `purge_request` that gets the lines.
LISTS = {"url": "urls", "prefix": "prefixes", "tag": "tags"}


class PurgeForm(forms.ModelForm):  # type: ignore[type-arg]
    """What is to be purged of which domain; one purge for each domain that the URLs name."""

    what = forms.ChoiceField(
        choices=[
            ("url", "URLs"),
            ("prefix", "Prefixes: every path that begins so"),
            ("tag", "Tags: every answer to which the origin has given one of them"),
            ("all", "Everything of the domain"),
        ],
        initial="url",
        widget=UnfoldAdminRadioSelectWidget,
    )
    names = forms.CharField(
        label="Which",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}),
        help_text=(
            "One a line. A URL is /path or https://host/path; with a query it purges that query only, "
            "without one every query; where a rule of the domain changes the query in keys, all are purged "
            "either way. "
            "A star is no wildcard: use a prefix. All host names of a domain, "
            "http and https, and all variants (encoding, language, device) are purged together. "
            "Browsers keep what they have."
        ),
    )
    confirmed = forms.BooleanField(
        label="Yes, everything",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="For everything: the origins must answer every request until the caches are full again.",
    )

    class Meta:
        model = Purge
        fields = ["domain", "soft", "note"]
        labels = {"soft": "Softly"}
        help_texts = {
            "domain": "Whole URLs say it themselves; anything else needs it.",
            "soft": (
                "The old answer is served while one request fetches the new one: easy on the origins. "
                "Otherwise nobody gets the old one again once an edge has the purge."
            ),
        }

    #: Who asks; the admin's class for one request says it.
    request_user: Any = None
    purges: list[Purge]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["domain"].required = False

    def clean(self) -> dict[str, Any]:
        """Ask for the purge, if all else is right: whether there is room is known only by taking it."""
        data: dict[str, Any] = super().clean() or {}
        self.purges = []
        if data.get("what") == "all" and not data.get("confirmed"):
            self.add_error("confirmed", "Say that everything of the domain is meant.")
        if self.errors:
            return data
        lines = [line for line in data["names"].splitlines() if line.strip()]
        asked: dict[str, Any] = {"everything": data["what"] == "all"}
        if data["what"] in LISTS:
            asked[LISTS[data["what"]]] = lines
        try:
            self.purges = purge_request(
                domains=[data["domain"]] if data["domain"] else [],
                **asked,
                soft=data["soft"],
                note=data["note"],
                by=self.request_user,
            )
        except PurgeRefused as error:
            self.add_error("domain" if error.field == "domain" else "names", str(error))
        except PurgeLimited as error:
            self.add_error(None, str(error))
        return data

    def save(self, commit: bool = True) -> Any:
        """The first of the purges: all are saved already."""
        return self.purges[0]

    def save_m2m(self) -> None:
        """Nothing is left to save."""
