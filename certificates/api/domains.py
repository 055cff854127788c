"""Domains with how each gets its certificate, in the one document of the domain."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from rest_framework.exceptions import PermissionDenied, ValidationError

from api.credentials import credential_of
from api.permissions import require_right
from api.serializers import ModelSerializer
from certificates.api.enrollments import AuthorityField, BriefSerializer
from certificates.api.examples import ENROLLMENT
from certificates.models import Enrollment
from certificates.staging import wake
from domains.api import DomainSerializer, DomainViewSet
from domains.api.examples import DOMAIN
from domains.models import Domain
from edge.api import PublishedDomainViewSet

SCOPE, RIGHT = "certificates:write", "certificates.change_enrollment"
PART = ("source", "authority", "challenge", "key_type", "current")
EXAMPLE = {**DOMAIN, "certificate": {name: ENROLLMENT[name] for name in PART}}


class CertificateChoices(ModelSerializer[Enrollment]):
    """How a domain gets its certificates."""

    authority = AuthorityField()
    changed = False

    class Meta:
        model = Enrollment
        fields = ["source", "authority", "challenge", "key_type"]

    def uncleaned(self, attrs: dict[str, Any]) -> set[str]:
        return {"domain"}

    def save_changes(self, instance: Enrollment, changed: list[str]) -> None:
        self.changed = True
        if instance.pk is None:
            instance.save()
        else:
            super().save_changes(instance, changed)
        transaction.on_commit(wake, robust=True)


class CertificatePart(CertificateChoices):
    """How a domain gets its certificates, and which one is served; all of it is at /enrollments/{host}."""

    current = BriefSerializer(read_only=True, allow_null=True)

    class Meta(CertificateChoices.Meta):
        fields = [*CertificateChoices.Meta.fields, "current"]


def choices_save(kind: type[CertificateChoices], domain: Domain, wanted: Any, **options: Any) -> bool:
    """Set the choices of a domain; returns whether any has changed. Raises `ValidationError`."""
    row = Enrollment.objects.filter(domain=domain).first()
    choices = kind(row or Enrollment(domain=domain), data=wanted, **options)
    if not choices.is_valid():
        raise ValidationError({"certificate": choices.errors})
    choices.save()
    return choices.changed


class CertifiedDomainSerializer(DomainSerializer):
    certificate = CertificatePart(required=False)

    class Meta(DomainSerializer.Meta):
        fields = [*DomainSerializer.Meta.fields, "certificate"]

    def to_representation(self, instance: Domain) -> dict[str, Any]:
        document: dict[str, Any] = super().to_representation(instance)
        enrollment = getattr(instance, "enrollment", None) or Enrollment()
        document["certificate"] = dict(self.fields["certificate"].to_representation(enrollment))
        return document

    def save_related(self, instance: Domain, related: dict[str, Any]) -> None:
        super().save_related(instance, related)
        wanted = self.initial_data.get("certificate")
        if wanted is not None and choices_save(CertificatePart, instance, wanted, partial=self.partial):
            self._require_certificates()
            self.changed = True

    def _require_certificates(self) -> None:
        """Raise `PermissionDenied`, which rolls it back, where the caller may not change certificates."""
        request = self.context["request"]
        require_right(request, RIGHT)
        credential = credential_of(request)
        if credential and not credential.allows(SCOPE):
            raise PermissionDenied(f"This token has not the scope {SCOPE}, which `certificate` needs.")


class CertifiedDomainViewSet(PublishedDomainViewSet):
    """What your edges serve. A list in the document is all of it: what it leaves out is removed.

    `certificate` stays as it is where it is left out; to change it needs `certificates:write` as well.
    """

    queryset = DomainViewSet.queryset.select_related("enrollment__authority", "enrollment__current").defer(
        "enrollment__current__chain", "enrollment__current__key"
    )
    serializer_class = CertifiedDomainSerializer
    example = EXAMPLE
    examples = {
        **PublishedDomainViewSet.examples,
        "enable": {"response": EXAMPLE},
        "disable": {"response": {**EXAMPLE, "enabled": False}},
    }

    def versioned(self, data: Mapping[str, Any]) -> dict[str, Any]:
        choices = {name: data["certificate"][name] for name in CertificateChoices.Meta.fields}
        return {**super().versioned(data), "certificate": choices}
