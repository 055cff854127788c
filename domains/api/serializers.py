"""A domain as one document, and the documents of its parts."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import models
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from api.credentials import limits_of
from api.permissions import require_host, require_right
from api.serializers import ModelSerializer
from domains.api.fields import AliasesField, LinesField, RowsSerializer
from domains.models import CacheCondition, CacheRule, Domain, HostName, Origin
from domains.models.domain import normalize_claim
from domains.parts import (
    NOTHING,
    Done,
    PartErrors,
    aliases_set,
    conditions_set,
    origins_set,
    rules_check,
    rules_set,
)
from domains.services import rule_next_position

Row = TypeVar("Row", bound=models.Model)


class PartSerializer(ModelSerializer[Row]):
    """A row of a domain: of the one in `context`, where it is a resource of its own."""

    def candidate(self, attrs: dict[str, Any]) -> Any:
        candidate = super().candidate(attrs)
        if "domain" in self.context and "domain" in self._columns():
            candidate.domain = self.context["domain"]
        return candidate

    def uncleaned(self, attrs: dict[str, Any]) -> set[str]:
        return {"domain", "rule", "id"}

    def insert(self, instance: Row) -> Row:
        instance.domain = self.context["domain"]  # type: ignore[attr-defined]
        return super().insert(instance)


class NestedId(serializers.IntegerField):
    """Which row of the domain it is. Left out, or of no row of the domain: found by what it says, or new."""

    def __init__(self) -> None:
        super().__init__(required=False, min_value=1, max_value=2**63 - 1)


class OriginSerializer(PartSerializer[Origin]):
    class Meta:
        model = Origin
        list_serializer_class = RowsSerializer
        fields = [
            *("id", "scheme", "host", "port", "host_header", "sni", "verify"),
            *("weight", "backup", "connect_timeout", "read_timeout"),
        ]


class NestedOriginSerializer(OriginSerializer):
    id = NestedId()


class AliasSerializer(PartSerializer[HostName]):
    class Meta:
        model = HostName
        fields = ["name"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        require_names(self.context, self.context["domain"], [attrs["name"]] if "name" in attrs else [])
        return super().validate(attrs)

    def uncleaned(self, attrs: dict[str, Any]) -> set[str]:
        return {"domain"}


class ConditionSerializer(PartSerializer[CacheCondition]):
    values = LinesField(help_text="One of them is enough; none: it is enough that it is there.")

    class Meta:
        model = CacheCondition
        list_serializer_class = RowsSerializer
        fields = ["what", "name", "values", "negate"]


class NestedRuleSerializer(PartSerializer[CacheRule]):
    """A rule in the document of its domain, where its place in the list is its turn."""

    id = NestedId()
    query_names = LinesField(help_text="Names of arguments, for `only` and `except`.")
    key_headers = LinesField(help_text="An object is kept for each value of these request headers.")
    key_cookies = LinesField(help_text="An object is kept for each value of these cookies.")
    conditions = ConditionSerializer(many=True, required=False)

    class Meta:
        model = CacheRule
        list_serializer_class = RowsSerializer
        fields = [
            *("id", "name", "enabled", "match", "conditions", "bypass", "force", "strip_cookies"),
            *("edge_ttl", "browser_ttl", "ttl_by_status", "stale_while_revalidate", "stale_if_error"),
            *("query_mode", "query_sort", "query_names", "key_headers", "key_cookies", "key_device"),
            "slices",
        ]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if not self.partial:
            attrs.setdefault("conditions", [])
        has_conditions = bool(attrs["conditions"]) if "conditions" in attrs else self._had_conditions()
        if not has_conditions and not self.candidate(attrs).acts:
            raise ValidationError({"conditions": [NOTHING]})
        return attrs

    def _had_conditions(self) -> bool:
        return self.instance is not None and self.instance.conditions.exists()


class RuleSerializer(NestedRuleSerializer):
    """A rule by itself. Left out, `position` stays, and is behind the others for a new one."""

    id = serializers.IntegerField(read_only=True)  # type: ignore[assignment]

    class Meta(NestedRuleSerializer.Meta):
        fields = ["id", "position", *NestedRuleSerializer.Meta.fields[1:]]

    def _defaults(self, attrs: dict[str, Any]) -> dict[str, Any]:
        defaults = super()._defaults(attrs)
        if "position" in defaults:
            rule = self.instance
            defaults["position"] = (
                rule.position if rule else rule_next_position(domain_id=self.context["domain"].pk)
            )
        return defaults

    def save_related(self, instance: CacheRule, related: dict[str, Any]) -> None:
        try:
            if "conditions" in related:
                done = conditions_set(rule=instance, wanted=related["conditions"])
                require_rights_of(self.context, done)
        except PartErrors as error:
            raise ValidationError({"conditions": keyed(error)}) from error
        try:
            rules_check(domain=instance.domain)
        except PartErrors as error:
            raise ValidationError(next(iter(error.errors.values()))) from error


class DomainSerializer(ModelSerializer[Domain]):
    aliases = AliasesField(source="hostnames", required=False, help_text="Further names of the same site.")
    origins = NestedOriginSerializer(many=True, required=False)
    rules = NestedRuleSerializer(many=True, required=False)
    #: Whether the last `save()` has changed anything.
    changed = False

    class Meta:
        model = Domain
        fields = [
            *("host", "enabled", "aliases", "origins"),
            *("default_ttl", "max_ttl", "negative_ttl", "stale_while_revalidate", "stale_if_error", "guard"),
            *("tls", "https_only", "hsts_max_age", "hsts_subdomains", "tls_policy"),
            *("client_auth", "client_ca", "rules", "notes"),
            *("access_name", "created_at", "updated_at"),
        ]
        read_only_fields = ["access_name", "created_at", "updated_at"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        require_host(self.context["request"], *_claims([attrs["host"]] if "host" in attrs else []))
        require_names(self.context, self.instance, attrs.get("hostnames", ()))
        attrs = super().validate(attrs)
        if not self.partial:
            for part in ("hostnames", "origins", "rules"):
                attrs.setdefault(part, [])
        return attrs

    def save_changes(self, instance: Domain, changed: list[str]) -> None:
        self.changed = True
        super().save_changes(instance, changed)

    def save_related(self, instance: Domain, related: dict[str, Any]) -> None:
        done = [
            self._part(instance, "aliases", aliases_set, names=related.get("hostnames")),
            self._part(instance, "origins", origins_set, wanted=related.get("origins")),
            self._part(instance, "rules", rules_set, wanted=related.get("rules")),
        ]
        if "rules" in related or "max_ttl" in self.initial_data:
            self._part(instance, "rules", rules_check)
        for each in done:
            require_rights_of(self.context, each)
        self.changed = self.changed or any(done)

    def _part(self, domain: Domain, name: str, service: Any, **wanted: Any) -> Done:
        if None in wanted.values():
            return Done()
        try:
            return service(domain=domain, **wanted) or Done()
        except PartErrors as error:
            raise ValidationError({name: keyed(error)}) from error


def require_names(context: Mapping[str, Any], domain: Domain | None, names: Iterable[str]) -> None:
    """Raise `PermissionDenied` where a limited token would give a domain a name that it does not list."""
    if limits_of(context["request"]):
        has = set(HostName.objects.filter(domain=domain).values_list("name", flat=True)) if domain else set()
        require_host(context["request"], *(_claims(names) - has))


def _claims(texts: Iterable[str]) -> set[str]:
    """The names that these are, without those that are none: what is wrong with them is said later."""
    found = set()
    for text in texts:
        with suppress(DjangoValidationError):
            found.add(normalize_claim(text))
    return found


def keyed(error: PartErrors) -> dict[str, Any]:
    """The errors as DRF nests them: the place in the list, as text."""
    return {str(place): said for place, said in error.errors.items()}


def require_rights_of(context: Mapping[str, Any], done: Done) -> None:
    """Raise `PermissionDenied`, which rolls it back, where the caller may not do what was done."""
    for model, verb in done.verbs:
        require_right(context["request"], f"{model._meta.app_label}.{verb}_{model._meta.model_name}")
