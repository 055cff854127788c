"""Between a certificate's row and what is judged: keys are sealed for the edges, and opened to be looked at.

A sealed key says which certificate it belongs to, so that the very same text stands in SQL and in documents.
"""

from collections.abc import Iterable

from accounts.sealing import open_sealed, seal
from certificates.checks.judging import Installed
from certificates.checks.material import Material
from certificates.checks.reading import read_pem
from certificates.models import Certificate, Enrollment


def certificate_store(material: Material, *, source: str, enrollment: Enrollment | None) -> Certificate:
    """The row of this certificate: a new one, or the one that is there, which no longer belongs to one domain
    alone where another uses it. `enrollment`: None where it is for several."""
    found, is_new = Certificate.objects.get_or_create(
        fingerprint=material.fingerprint,
        defaults={
            "enrollment": enrollment,
            "source": source,
            "chain": material.pem,
            "key": seal(material.key_der, record=key_record(material.fingerprint), ring="edges"),
            "key_type": material.key_type,
            "names": list(material.names),
            "not_before": material.not_before,
            "not_after": material.not_after,
            "serial": material.serial,
            "issuer": material.issuer,
        },
    )
    if not is_new and found.enrollment_id != (enrollment.pk if enrollment else None):
        found.enrollment = None
        found.save(update_fields=["enrollment"])
    return found


def certificate_material(certificate: Certificate) -> Material:
    """What the row holds, with its key. Raises `CertificateRefused`, `NotOpened`, `SealingKeyMissing`."""
    key = open_sealed(certificate.key, record=key_record(certificate.fingerprint), ring="edges")
    return read_pem(certificate.chain.encode(), key, complete=False)


def key_record(fingerprint: str) -> str:
    """What the key of a certificate is sealed for."""
    return f"certificate:{fingerprint}"


def installed(certificate: Certificate | None) -> Installed | None:
    """What a new certificate has to be newer than: nothing, where none is served that counts."""
    if certificate is None or not counts(certificate) or certificate.revoked_at:
        return None
    return Installed(certificate.fingerprint, certificate.not_before, certificate.not_after)


def counts(certificate: Certificate) -> bool:
    """Whether it is a real one: no placeholder, and none of a staging environment."""
    return certificate.source != Certificate.Source.PLACEHOLDER and not certificate.staging


def domain_names(enrollment: Enrollment) -> list[str]:
    """Every name of the domain, the primary one first."""
    names: Iterable[str] = enrollment.domain.hostnames.values_list("name", flat=True)
    return sorted(names, key=lambda name: (name != enrollment.domain.host, name))
