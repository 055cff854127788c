"""Cache rules: for which requests of a domain which answers are kept, how long, and under which key.

Invariants: the first enabled rule of a domain (by `position`) whose conditions hold is the only one that
counts; every list is stored one value a line, in the form of `domains.conditions`.
"""

from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import OuterRef, Q, Subquery

from domains import conditions, limits
from domains.conditions import normalize_list, unbounded_sentence
from domains.models.domain import Domain
from domains.normalized import NormalizedModel
from domains.unbounded import is_unbounded_cookie, is_unbounded_header


def seconds_field(
    title: str, most: int, help_text: str
) -> "models.PositiveIntegerField[int | None, int | None]":
    """A number of seconds that may be left empty: then the origin or the domain decides."""
    return models.PositiveIntegerField(
        title, null=True, blank=True, validators=[MaxValueValidator(most)], help_text=help_text
    )


class CacheRuleQuerySet(models.QuerySet["CacheRule"]):
    def with_shadows(self) -> "CacheRuleQuerySet":
        """Annotated with `shadowed_by`: the name of the rule that always comes first; None: there is none."""
        before = Q(position__lt=OuterRef("position")) | Q(
            position=OuterRef("position"), pk__lt=OuterRef("pk")
        )
        always = CacheRule.objects.filter(before, domain=OuterRef("domain"), enabled=True, conditions=None)
        shadows: CacheRuleQuerySet = self.annotate(
            shadowed_by=Subquery(always.order_by("position", "pk").values("name")[:1])
        )
        return shadows


class CacheRule(NormalizedModel):
    """What is done with the answers to some of a domain's requests."""

    class Match(models.TextChoices):
        ALL = "all", "all conditions hold"
        ANY = "any", "one condition holds"

    class QueryMode(models.TextChoices):
        ALL = "", "every argument counts"
        NONE = "none", "no argument counts"
        ONLY = "only", "only these arguments count"
        EXCEPT = "except", "every argument but these counts"

    FORMS = {
        "ttl_by_status": conditions.status_ttls,
        "query_names": partial(normalize_list, form=conditions.argument_name, most=limits.ARGUMENTS),
        "key_headers": partial(normalize_list, form=conditions.header_name, most=limits.KEY_PARTS),
        "key_cookies": partial(normalize_list, form=conditions.cookie_name, most=limits.KEY_PARTS),
    }

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="rules")
    position = models.PositiveIntegerField(
        default=0,
        help_text="Rules are asked in this order; the first one that fits is the only one that counts.",
    )
    name = models.CharField(
        max_length=100, help_text="For people: “Images”, “Never cache the shop's basket”."
    )
    enabled = models.BooleanField(default=True, help_text="A disabled rule is as if it were not there.")
    match = models.CharField(
        "holds when",
        max_length=3,
        choices=Match.choices,
        default=Match.ALL,
        help_text="A rule without conditions holds for every request.",
    )

    bypass = models.BooleanField(
        "do not cache",
        default=False,
        help_text="These requests go to the origin every time: nothing is looked up and nothing is kept.",
    )
    force = models.BooleanField(
        "cache even what the origin forbids",
        default=False,
        help_text=(
            "Keep the answer although the origin says no-store, private or no-cache, although it sets a "
            "cookie "
            "(which clients then do not get), or although the request has an Authorization header. Dangerous "
            "for pages that differ from person to person. Answers with Vary: * are never kept."
        ),
    )
    edge_ttl = seconds_field(
        "edge TTL",
        limits.TTL,
        "Seconds that edges keep answers with status 200 to 399, whatever lifetime the origin gives. 0: "
        "ask the "
        "origin each time whether the copy is still good. Empty: as the origin says, else the domain.",
    )
    ttl_by_status = models.CharField(
        "TTL by status",
        max_length=500,
        blank=True,
        help_text=(
            "Seconds by status or range, e.g. “404: 10, 500-599: 5”; 0: not kept. Goes before the edge TTL."
        ),
    )
    browser_ttl = seconds_field(
        "browser TTL",
        limits.TTL,
        "Seconds that browsers are told to keep what edges may keep (Cache-Control: max-age). 0: they ask "
        "each "
        "time. Empty: what the origin says.",
    )
    stale_while_revalidate = seconds_field(
        "stale while fetching anew",
        limits.STALE,
        "Seconds past its lifetime for which an answer is still served while one request fetches a new one. "
        "Empty: as the origin says, else the domain.",
    )
    stale_if_error = seconds_field(
        "stale while the origin fails",
        limits.STALE,
        "Seconds past its lifetime for which an answer is still served while the origin fails. Empty: as the "
        "origin says, else the domain.",
    )
    strip_cookies = models.BooleanField(
        "without cookies",
        default=False,
        help_text=(
            "The origin does not get the client's cookies and the client does not get the origin's, so these "
            "answers can be kept."
        ),
    )
    slices = models.BooleanField(
        "in slices",
        default=False,
        help_text=(
            "Fetch and keep large files in parts: right for video and downloads of which clients ask ranges."
        ),
    )

    query_mode = models.CharField(
        "query",
        max_length=6,
        blank=True,
        choices=QueryMode.choices,
        default=QueryMode.ALL,
        help_text="Which arguments tell objects apart. The origin always gets the whole query.",
    )
    query_names = models.TextField(
        "arguments",
        blank=True,
        help_text=(
            "For “only these” and “every one but these”: names, one a line or with commas; e.g. utm_source."
        ),
    )
    query_sort = models.BooleanField(
        "in any order", default=False, help_text="?a=1&b=2 and ?b=2&a=1 are the same object."
    )
    key_headers = models.TextField(
        "headers",
        blank=True,
        help_text=(
            "Keep an object for each value of these request headers, e.g. accept-language; names, one a "
            "line or "
            f"with commas, at most {limits.KEY_PARTS}. Only what has few values: not user-agent, not cookie."
        ),
    )
    key_cookies = models.TextField(
        "cookies",
        blank=True,
        help_text=(
            "Keep an object for each value of these cookies, e.g. currency; names, one a line or with "
            f"commas, at most {limits.KEY_PARTS}. Never the cookie of a session. "
            "The origin must give a lifetime, or the rule an edge TTL: "
            "else no answer to a request with a cookie is kept."
        ),
    )
    key_device = models.BooleanField(
        "kind of device",
        default=False,
        help_text="Keep an object each for mobiles, tablets and desktops (told by User-Agent).",
    )

    objects = CacheRuleQuerySet.as_manager()

    class Meta:
        verbose_name = "cache rule"
        ordering = ["position", "pk"]

    if TYPE_CHECKING:
        domain_id: int

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        errors = {**self._contradictions(), **self._unbounded_key_parts()}
        if errors:
            raise ValidationError(errors)
        others = CacheRule.objects.filter(domain_id=self.domain_id).exclude(pk=self.pk)
        if self.domain_id and others.count() >= limits.RULES:
            raise ValidationError(f"A domain has at most {limits.RULES} rules.")

    @property
    def keeping(self) -> list[str]:
        """The fields, of those that say how answers are kept, that say something."""
        names = [
            "force",
            "edge_ttl",
            "ttl_by_status",
            "browser_ttl",
            "stale_while_revalidate",
            "stale_if_error",
        ]
        names += ["slices", "query_mode", "query_sort", "key_headers", "key_cookies", "key_device"]
        return [name for name in names if getattr(self, name) not in (None, "", False)]

    @property
    def acts(self) -> bool:
        """Whether it does anything to the requests that it is for."""
        return bool(self.bypass or self.strip_cookies or self.keeping)

    def _contradictions(self) -> dict[str, str]:
        errors: dict[str, str] = {}
        if self.bypass and self.keeping:
            titles = ", ".join(self._title(name) for name in self.keeping)
            errors["bypass"] = f"What is not cached cannot have this as well: {titles}."
        if self.query_mode in (self.QueryMode.ONLY, self.QueryMode.EXCEPT) and not self.query_names:
            errors["query_names"] = "Name the arguments."
        if self.query_names and self.query_mode not in (self.QueryMode.ONLY, self.QueryMode.EXCEPT):
            errors["query_names"] = (
                "Names mean something only with “only these” or “every argument but these”."
            )
        if self.query_sort and self.query_mode == self.QueryMode.NONE:
            errors["query_sort"] = "Where no argument counts, there is no order."
        if self.strip_cookies and self.key_cookies:
            errors["key_cookies"] = (
                "The origin does not get these cookies (“without cookies”), so nothing differs."
            )
        if self.edge_ttl and self.domain_id and self.edge_ttl > self.domain.max_ttl:
            errors["edge_ttl"] = "This is longer than the domain's maximum TTL, which would cut it."
        return errors

    def _unbounded_key_parts(self) -> dict[str, str]:
        headers = [name for name in self.key_headers.split("\n") if is_unbounded_header(name)]
        cookies = [name for name in self.key_cookies.split("\n") if is_unbounded_cookie(name)]
        errors = {}
        if headers:
            errors["key_headers"] = unbounded_sentence(self.name, "header", headers)
        if cookies:
            errors["key_cookies"] = unbounded_sentence(self.name, "cookie", cookies)
        return errors

    def _title(self, name: str) -> str:
        return str(self._meta.get_field(name).verbose_name)  # type: ignore[union-attr]


class CacheCondition(NormalizedModel):
    """One thing that must (or must not) be so for a rule to hold."""

    class What(models.TextChoices):
        PREFIX = "prefix", "path begins with"
        GLOB = "glob", "path is like (glob)"
        REGEX = "regex", "path matches (regular expression)"
        EXTENSION = "extension", "extension is"
        METHOD = "method", "method is"
        QUERY = "query", "argument of the query"
        HEADER = "header", "request header"
        COOKIE = "cookie", "cookie"
        COUNTRY = "country", "client's country is"
        NETWORK = "network", "client's address is in"

    #: How a value of each is made; whether a comma may be part of a value.
    VALUES: dict[str, tuple[Callable[[str], str], bool]] = {
        What.PREFIX: (conditions.path_prefix, False),
        What.GLOB: (conditions.path_glob, False),
        What.REGEX: (conditions.path_regex, True),
        What.EXTENSION: (conditions.extension, False),
        What.METHOD: (conditions.method, False),
        What.QUERY: (conditions.field_value, True),
        What.HEADER: (conditions.field_value, True),
        What.COOKIE: (conditions.field_value, True),
        What.COUNTRY: (conditions.country, False),
        What.NETWORK: (conditions.network, False),
    }
    #: The kinds that are about something with a name, and how the name is made.
    NAMES: dict[str, Callable[[str], str]] = {
        What.QUERY: conditions.argument_name,
        What.HEADER: conditions.header_name,
        What.COOKIE: conditions.cookie_name,
    }

    rule = models.ForeignKey(CacheRule, on_delete=models.CASCADE, related_name="conditions")
    what = models.CharField("if", max_length=9, choices=What.choices, default=What.PREFIX)
    name = models.CharField(
        max_length=limits.FIELD_NAME, blank=True, help_text="Of the argument, the header or the cookie."
    )
    values = models.TextField(
        blank=True,
        help_text=(
            "One of them is enough; one a line. Prefix: /img/. Glob, over the whole path: /img/*.jpg, where "
            "* and ? stop at a / and ** does not. Regular expression, anywhere in the path: \\.(jpg|png)$. "
            "Extension: jpg, png. Method: GET. Country: DE, FR. Address: 192.0.2.0/24. Argument, header and "
            "cookie: exact values, or empty where it is enough that it is there."
        ),
    )
    negate = models.BooleanField("not", default=False, help_text="Hold where this is not so.")

    class Meta:
        verbose_name = "condition"
        ordering = ["pk"]

    if TYPE_CHECKING:
        rule_id: int

    def __str__(self) -> str:
        return f"{self.get_what_display()} {self.name or self.values}"

    def clean(self) -> None:
        errors = {}
        if self.what in self.NAMES and not self.name:
            errors["name"] = "Give the name."
        if self.what not in self.NAMES and self.name:
            errors["name"] = "Only an argument, a header or a cookie has a name."
        if self.what not in self.NAMES and not self.values:
            errors["values"] = "Give at least one value."
        if errors:
            raise ValidationError(errors)

    @property
    def value_list(self) -> list[str]:
        """The values, each in its stored form."""
        return self.values.split("\n") if self.values else []

    def _normalize(self, exclude: Collection[str] = ()) -> dict[str, list[str]]:
        """What the form of a value is depends on what it is a value of."""
        errors = super()._normalize(exclude)
        forms: dict[str, Callable[[str], str]] = {}
        if self.what in self.VALUES:
            form, commas_inside = self.VALUES[self.what]
            forms["values"] = partial(normalize_list, form=form, commas=not commas_inside)
        if self.what in self.NAMES:
            forms["name"] = self.NAMES[self.what]
        for field in forms.keys() - set(exclude):
            if text := getattr(self, field).strip():
                try:
                    setattr(self, field, forms[field](text))
                except ValidationError as error:
                    errors[field] = error.messages
        return errors
