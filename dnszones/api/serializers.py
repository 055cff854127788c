"""The documents of zones, of what is in them, and of secondaries."""

from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import get_error_detail

from api.serializers import ModelSerializer, Serializer
from dnszones.models import NameServer, Record, Secondary, SecondaryState, Zone, ZoneVersion
from dnszones.names import encode_name
from dnszones.parts import nameservers_set
from dnszones.secondaries import key_checked, secondary_give_key, secondary_has_key
from domains.api.serializers import keyed, require_rights_of
from domains.parts import PartErrors
from edge.api.serializers import LineSerializer


class NameServerSerializer(ModelSerializer[NameServer]):
    """A name in the zone's NS records; one that lies in a zone of ours has its addresses here (glue)."""

    class Meta:
        model = NameServer
        fields = ["name", "ipv4", "ipv6"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"ipv4": None, "ipv6": None, **attrs}  # all of them are looked at with their zone


class ZoneSerializer(ModelSerializer[Zone]):
    nameservers = NameServerSerializer(many=True, required=False)
    warnings = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Zone
        fields = [
            *("apex", "enabled", "serves_sites", "default_ttl", "nameservers"),
            *("mname", "rname", "refresh", "retry", "expire", "minimum", "notes"),
            *("serial", "built_at", "refusal", "warnings", "created_at", "updated_at"),
        ]
        read_only_fields = ["serial", "built_at", "refusal", "created_at", "updated_at"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        return attrs if self.partial else {"nameservers": [], **attrs}

    def save_related(self, instance: Zone, related: dict[str, Any]) -> None:
        if (wanted := related.get("nameservers")) is None:
            return
        try:
            done = nameservers_set(zone=instance, wanted=wanted)
        except PartErrors as error:
            raise ValidationError({"nameservers": keyed(error)}) from error
        require_rights_of(self.context, done)


class RecordSerializer(ModelSerializer[Record]):
    class Meta:
        model = Record
        fields = ["id", "name", "type", "ttl", "value"]

    def candidate(self, attrs: dict[str, Any]) -> Any:
        candidate = super().candidate(attrs)
        candidate.zone = self.context["zone"]
        return candidate

    def insert(self, instance: Record) -> Record:
        instance.zone = self.context["zone"]
        return super().insert(instance)


class StateSerializer(ModelSerializer[SecondaryState]):
    """What a secondary was last seen to answer for a zone."""

    secondary = serializers.CharField(source="secondary.name")
    zone = serializers.CharField(source="zone.apex")

    class Meta:
        model = SecondaryState
        fields = [
            *("secondary", "zone", "serial", "soa_serial"),
            *("asked_at", "seen_at", "behind_since", "error"),
        ]
        read_only_fields = fields


class ZoneStatusSerializer(LineSerializer):
    """Where the newest version is: `answered_by` of the secondaries that it is `given_to`."""

    serial = serializers.IntegerField(source="rev", allow_null=True)
    answered_by = serializers.IntegerField(source="applied_by")
    given_to = serializers.IntegerField(source="serving")
    secondaries = StateSerializer(many=True)


class VersionSerializer(ModelSerializer[ZoneVersion]):
    changed_names = serializers.ListField(child=serializers.CharField(), help_text="The first of them.")
    nodes = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = ZoneVersion
        fields = [
            *("serial", "facts_at", "published_at", "insync_at", "changed", "changed_names"),
            *("names", "nodes", "replaced_ttl"),
        ]
        read_only_fields = fields


class ZoneField(serializers.SlugRelatedField[Zone]):
    """A zone by its apex."""

    default_error_messages = {"does_not_exist": "There is no zone “{value}”."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(slug_field="apex", queryset=Zone.objects.all(), **kwargs)


class SecondarySerializer(ModelSerializer[Secondary]):
    """`tsig_secret` goes in and never comes out, but for one that was made here: in that answer alone."""

    zones = serializers.ListField(child=ZoneField(), required=False, help_text="Empty: all of them.")
    tsig_secret = serializers.CharField(
        write_only=True,
        required=False,
        max_length=1000,
        help_text="In base64. Left out for a new secondary: a key is made.",
    )

    class Meta:
        model = Secondary
        fields = [
            *("name", "enabled", "address", "port", "zones"),
            *("tsig_name", "tsig_algorithm", "tsig_secret", "notes"),
        ]

    def to_representation(self, instance: Secondary) -> dict[str, Any]:
        zones = sorted(zone.apex for zone in instance.zones.all())
        own = {"zones": zones}
        names = [name for name in self.Meta.fields if name != "tsig_secret"]
        return {name: own[name] if name in own else getattr(instance, name) for name in names}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        secret = attrs.pop("tsig_secret", None)
        self._clean(attrs, secret)
        attrs = super().validate(attrs)
        if not self.partial:
            attrs.setdefault("zones", [])
        if secret is not None:
            attrs["tsig_secret"] = secret
        return attrs

    def uncleaned(self, attrs: dict[str, Any]) -> set[str]:
        return {"tsig_secret"}

    def create(self, validated_data: dict[str, Any]) -> Secondary:
        secret = validated_data.pop("tsig_secret", "")
        zones = validated_data.pop("zones", [])
        secondary = Secondary(**validated_data)
        made = secondary_give_key(secondary=secondary, secret=secret)
        if not secret:
            self.context["view"].secret = made
        secondary.zones.set(zones)
        return secondary

    def update(self, instance: Secondary, validated_data: dict[str, Any]) -> Secondary:
        secret = validated_data.pop("tsig_secret", None)
        same = secret is None or (
            validated_data.get("tsig_name", instance.tsig_name) == instance.tsig_name
            and secondary_has_key(secondary=instance, secret=secret)
        )
        if not same:
            for name in self._columns() & set(validated_data):
                setattr(instance, name, validated_data[name])
            secondary_give_key(secondary=instance, secret=secret or "")
        return super().update(instance, validated_data)

    def _clean(self, attrs: dict[str, Any], secret: str | None) -> None:
        try:
            if "tsig_name" in attrs:
                attrs["tsig_name"] = encode_name(attrs["tsig_name"], wildcard=False)
        except DjangoValidationError as error:
            raise ValidationError({"tsig_name": get_error_detail(error)}) from error
        if secret is not None:
            try:
                key_checked(secret)
            except DjangoValidationError as error:
                raise ValidationError({"tsig_secret": get_error_detail(error)}) from error
        elif self.instance and attrs.get("tsig_name", self.instance.tsig_name) != self.instance.tsig_name:
            said = "A key with another name is another key: send its secret."
            raise ValidationError({"tsig_secret": [said]})


class SecondaryWithKeySerializer(SecondarySerializer):
    """The one answer that tells a key that was made here."""

    tsig_secret = serializers.CharField(read_only=True)


class TextSerializer(Serializer):
    """A master file (RFC 1035 section 5)."""

    text = serializers.CharField(max_length=16_000_000, trim_whitespace=False)


class ImportSerializer(TextSerializer):
    replace = serializers.BooleanField(default=False, help_text="Delete the records that are not in it.")


class ImportedSerializer(Serializer):
    records = serializers.IntegerField(help_text="Records in the file that Cirrus carries.")
    created = serializers.IntegerField()
    changed = serializers.IntegerField()
    deleted = serializers.IntegerField()
    left_out = serializers.ListField(child=serializers.CharField())
