"""What items of the configuration have beside the fields of the API."""

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from certificates.api.domains import CertificateChoices, choices_save
from certificates.models import Enrollment
from dnszones.api.serializers import RecordSerializer, ZoneSerializer
from dnszones.api.sites import OVERRIDES, SiteSerializer
from dnszones.models import Record, Site, Zone
from dnszones.parts import records_set
from dnszones.sites import sites_add
from domains.api import DomainSerializer
from domains.api.serializers import keyed, require_rights_of
from domains.models import Domain
from domains.parts import PartErrors


class NestedRecordSerializer(RecordSerializer):
    """A record in its zone: all of them are looked at together."""

    class Meta:
        model = Record
        fields = ["name", "type", "ttl", "value"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"name": "@", "ttl": None, **attrs}


class ConfigZoneSerializer(ZoneSerializer):
    records = NestedRecordSerializer(many=True, required=False)

    class Meta(ZoneSerializer.Meta):
        fields = [*ZoneSerializer.Meta.fields, "records"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"records": [], **super().validate(attrs)}

    def save_related(self, instance: Zone, related: dict[str, Any]) -> None:
        super().save_related(instance, related)
        try:
            done = records_set(zone=instance, wanted=related["records"])
        except PartErrors as error:
            raise ValidationError({"records": keyed(error)}) from error
        require_rights_of(self.context, done)


class SteeringChoices(SiteSerializer):
    """How a domain's nodes are chosen."""

    class Meta:
        model = Site
        fields = [*OVERRIDES]

    host = None  # type: ignore[assignment]
    access_name = None  # type: ignore[assignment]

    def uncleaned(self, attrs: dict[str, Any]) -> set[str]:
        return {"zone", "domain", "label"}


class ConfigDomainSerializer(DomainSerializer):
    """`access_name` is the label of its name in the DNS: a domain that is made has it, and it stays."""

    access_name = serializers.CharField(required=False, max_length=63)
    certificate = serializers.DictField(required=False)
    steering = serializers.DictField(required=False)

    class Meta(DomainSerializer.Meta):
        fields = [*DomainSerializer.Meta.fields, "certificate", "steering"]
        read_only_fields = ["created_at", "updated_at"]

    def to_representation(self, instance: Domain) -> dict[str, Any]:
        document: dict[str, Any] = super().to_representation(instance)  # a domain has no such attributes
        enrollment = getattr(instance, "enrollment", None) or Enrollment()
        site = getattr(instance, "site", None)
        document["certificate"] = dict(CertificateChoices(enrollment).data)
        document["steering"] = dict(SteeringChoices(site).data) if site else dict(NO_STEERING)
        return document

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        label = attrs.get("access_name")
        if self.instance is not None:
            if label not in (None, self.instance.access_name):
                raise ValidationError({"access_name": ["A domain keeps its access name."]})
            attrs["access_name"] = self.instance.access_name
        return {"certificate": {}, "steering": {}, **super().validate(attrs)}

    def save_related(self, instance: Domain, related: dict[str, Any]) -> None:
        certificate, steering = related.pop("certificate"), related.pop("steering")
        super().save_related(instance, related)
        choices_save(CertificateChoices, instance, certificate, context=self.context)
        self._steering(instance, steering)

    def _steering(self, domain: Domain, wanted: dict[str, Any]) -> None:
        site = Site.objects.filter(domain=domain).first()
        if site is None and wanted:
            sites_add()
            site = Site.objects.filter(domain=domain).first()
            if site is None:
                said = "No zone gives access names, so that there is nothing to steer."
                raise ValidationError({"steering": [said]})
        if site is not None:
            _save_part("steering", SteeringChoices(site, data=wanted, context=self.context))


#: What a domain without a site has.
NO_STEERING: dict[str, Any] = {"replicas": None, "ttl": None, "pinned": [], "excluded": [], "regions": []}


def _save_part(name: str, serializer: Any) -> None:
    if not serializer.is_valid():
        raise ValidationError({name: serializer.errors})
    serializer.save()
