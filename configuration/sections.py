"""The sections of the document, in the order in which they are applied."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.db import models
from rest_framework import serializers

from api.serializers import ModelSerializer
from certificates.api.authorities import AuthoritySerializer
from certificates.models import Authority
from configuration.serializers import NO_STEERING, ConfigDomainSerializer, ConfigZoneSerializer
from dnszones.api.serializers import SecondarySerializer
from dnszones.models import Secondary, Zone
from domains.hostnames import searched_hostname
from domains.models import Domain
from nodes.api import NodeSerializer, RegionSerializer
from nodes.models import Node, Region

#: Fields that are shown although they have their defaults: a line without them would not say what it is.
SHOWN = frozenset({"type", "what", "scheme", "name", "value", "values", "access_name"})

#: The defaults of the parts of an item that are one object each.
CHOICES: dict[str, dict[str, Any]] = {
    "certificate": {"source": "acme", "authority": None, "challenge": "auto", "key_type": "ecdsa-p256"},
    "steering": NO_STEERING,
}


@dataclass(frozen=True)
class Section:
    """One section. `key`: what names an item; `once`: fields that only a new one is given."""

    name: str
    key: str
    rows: Any
    serializer: type[ModelSerializer[Any]]
    form: Callable[[str], str] = str
    once: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    #: Objects in an item that are rows of other models → the permission that a change of them needs.
    rights: dict[str, str] = field(default_factory=dict)
    #: Lists in an item whose loss is counted as well.
    counted: tuple[str, ...] = ()

    @property
    def model(self) -> type[models.Model]:
        model: type[models.Model] = self.rows.model
        return model

    def right(self, verb: str) -> str:
        """Django's permission: `nodes.change_node`."""
        meta = self.model._meta
        return f"{meta.app_label}.{verb}_{meta.model_name}"


SECTIONS: tuple[Section, ...] = (
    Section("regions", "name", Region.objects.prefetch_related("backup_rows__backup"), RegionSerializer),
    Section("nodes", "name", Node.objects.select_related("region"), NodeSerializer, once=("state",)),
    Section("authorities", "name", Authority.objects.all(), AuthoritySerializer, secrets=("eab_key",)),
    Section(
        "zones",
        "apex",
        Zone.objects.prefetch_related("nameservers", "records"),
        ConfigZoneSerializer,
        form=searched_hostname,
        counted=("records",),
    ),
    Section(
        "domains",
        "host",
        Domain.objects.select_related("enrollment__authority", "site").prefetch_related(
            "hostnames",
            "origins",
            "rules__conditions",
            "site__pinned",
            "site__excluded",
            "site__regions",
        ),
        ConfigDomainSerializer,
        form=searched_hostname,
        rights={"certificate": "certificates.change_enrollment", "steering": "dnszones.change_site"},
    ),
    Section(
        "secondaries",
        "name",
        Secondary.objects.prefetch_related("zones"),
        SecondarySerializer,
        secrets=("tsig_secret",),
    ),
)
BY_NAME = {section.name: section for section in SECTIONS}


def concise(section: Section, document: dict[str, Any]) -> dict[str, Any]:
    """An item without what only Cirrus writes and without what has its default."""
    return _concise(section.serializer, document, keep={section.key})


def _concise(kind: Any, document: dict[str, Any], keep: set[str]) -> dict[str, Any]:
    found = {}
    for name, (default, child) in _fields(kind).items():
        if name not in document:
            continue
        value = document[name]
        if child is not None:
            value = [_concise(child, each, keep=set()) for each in value]
        elif isinstance(value, dict):
            value = {key: each for key, each in value.items() if each != CHOICES[name][key]}
        if name in keep or (name in SHOWN and value != "") or value != default:
            found[name] = value
    return found


class _Needed:
    """Is equal to nothing: a field without a default."""


@cache
def _fields(kind: Any) -> dict[str, tuple[Any, Any]]:
    """Field that operators write → its default as it is in documents, and the serializer of its items."""
    serializer = kind()
    found: dict[str, tuple[Any, Any]] = {}
    columns = {column.name: column for column in kind.Meta.model._meta.concrete_fields}
    for name, one in serializer.fields.items():
        if one.read_only or one.write_only or name == "id":
            continue
        if isinstance(one, serializers.ListSerializer):
            found[name] = ([], type(one.child))
        elif isinstance(one, serializers.DictField):
            found[name] = ({}, None)
        elif one.source not in columns:
            found[name] = ([], None)
        else:
            found[name] = (_default(one, columns[one.source]), None)
    return found


def _default(one: Any, column: Any) -> Any:
    if not (column.has_default() or column.blank or column.null):
        return _Needed()
    value = column.get_default()
    return one.to_representation(value) if value is not None and not column.is_relation else value
