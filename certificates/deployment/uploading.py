"""Certificates that operators have got elsewhere: judged before their eyes, then deployed like any other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from certificates.checks.errors import CertificateRefused
from certificates.checks.judging import judge
from certificates.checks.material import Material
from certificates.deployment.deploying import deploy_start
from certificates.deployment.storing import certificate_store, domain_names, installed
from certificates.models import Certificate, Enrollment
from certificates.renewal.names import covers
from domains.hostnames import normalize_hostname, searched_hostname
from domains.models import Domain, HostName
from edge.statuses import names as listed


@dataclass(frozen=True)
class Uploaded:
    """A certificate for these domains: `served` by some of them already, and on its way to the edges for the
    others. `notes`: what to know about it, in whole sentences."""

    certificate: Certificate
    domains: list[Domain]
    notes: tuple[str, ...]
    served: list[Domain]

    @property
    def sentences(self) -> list[str]:
        """What becomes of it now."""
        served = [str(domain) for domain in self.domains if domain in self.served]
        coming = [str(domain) for domain in self.domains if domain not in self.served]
        told = [f"The certificate is on its way to the edges for {listed(coming)}."] if coming else []
        return [*told, f"The certificate is served for {listed(served)} already."] if served else told


def certificate_upload(*, material: Material, domains: Sequence[Domain], confirmed: bool = False) -> Uploaded:
    """Install a certificate for these domains, all of them or none; from then on it is theirs to renew.

    `confirmed`: also where it is older than what is served, or lacks names. Raises `CertificateRefused`.
    """
    if not domains:
        raise CertificateRefused("Say for which domain it is.", field="names")
    notes = list(material.notes)
    with transaction.atomic():
        enrollments = [enrollment_of(domain) for domain in domains]
        for enrollment in enrollments:
            notes += _judged(material, enrollment, confirmed, alone=len(domains) == 1)
        certificate = certificate_store(
            material,
            source=Certificate.Source.UPLOAD,
            enrollment=enrollments[0] if len(enrollments) == 1 else None,
        )
        if certificate.revoked_at:
            raise CertificateRefused("This certificate was revoked: clients would refuse it.")
        served = [row.domain for row in enrollments if row.current_id == certificate.pk]
        for enrollment in enrollments:
            if enrollment.source != Enrollment.Source.UPLOAD:
                enrollment.source = Enrollment.Source.UPLOAD
                enrollment.save(update_fields=["source"])
            deploy_start(enrollment, certificate)
    return Uploaded(certificate, [*domains], tuple(dict.fromkeys(notes)), served)


def domains_covered(material: Material) -> list[Domain]:
    """The domains of which the certificate is for every name."""
    wildcards = [name for name in material.names if name.startswith("*.")]
    names = HostName.objects.filter(name__in=material.names)
    found = set(names.values_list("domain_id", flat=True))
    for wildcard in wildcards:
        below = HostName.objects.filter(name__endswith=wildcard[1:])
        found |= set(below.values_list("domain_id", flat=True))
    candidates = Domain.objects.filter(pk__in=found).prefetch_related("hostnames").order_by("host")
    return [
        domain
        for domain in candidates
        if all(covers(material.names, name.name) for name in domain.hostnames.all())
    ]


def domain_of(text: str) -> Domain:
    """The domain that has this host name. Raises `CertificateRefused`."""
    try:
        name = normalize_hostname(text, wildcard=True)
    except ValidationError as error:
        raise CertificateRefused(error.messages[0], field="domains") from error
    found = HostName.objects.filter(name=name).select_related("domain").first()
    if found is None:
        raise CertificateRefused(f"No domain has the name {text}.", field="domains")
    return found.domain


def owners_of(texts: Iterable[str]) -> dict[str, str]:
    """Each of these host names, and the host of the domain that has it; "" where none has."""
    names = {text: searched_hostname(text) for text in texts}
    claims = HostName.objects.filter(name__in=names.values()).select_related("domain")
    found = {claim.name: claim.domain.host for claim in claims}
    return {text: found.get(name, "") for text, name in names.items()}


def enrollment_of(domain: Domain) -> Enrollment:
    """The enrollment of a domain, which is made where there is none."""
    return Enrollment.objects.select_related("domain", "current").get_or_create(domain=domain)[0]


def _judged(material: Material, enrollment: Enrollment, confirmed: bool, *, alone: bool) -> tuple[str, ...]:
    try:
        return judge(
            material,
            now=timezone.now(),
            wanted=domain_names(enrollment),
            installed=installed(enrollment.current),
            confirmed=confirmed,
        )
    except CertificateRefused as error:
        if alone:
            raise
        raise CertificateRefused(
            f"{enrollment.domain}: {error}", field=error.field, confirmable=error.confirmable
        ) from error
