"""What is served until a certificate has been issued: one that nobody trusts, made here."""

import logging
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import transaction
from django.utils import timezone

from accounts.errors import SealingKeyMissing
from certificates.checks.material import Material
from certificates.deployment.storing import certificate_store, domain_names
from certificates.models import Certificate, Enrollment
from certificates.renewal.names import missing
from certificates.renewal.policy import Life

logger = logging.getLogger(__name__)

#: How long one is valid, and with which share left it is made anew.
LIFETIME, RENEWED_AT = timedelta(days=90), 1 / 3
#: Names in one; more would only make each handshake longer.
MOST_NAMES = 100


def placeholder_ensure(enrollment: Enrollment) -> bool:
    """Give the domain a placeholder where it serves HTTPS and has nothing to serve; whether it was given one.

    Never again once a real certificate was served and browsers were told to insist on one (HSTS): they let
    nobody past a warning then, and a clean failure says more.
    """
    with transaction.atomic():
        row = (
            Enrollment.objects.select_for_update(of=("self",))
            .select_related("domain", "current")
            .filter(pk=enrollment.pk)
            .first()
        )
        if row is None or not _needed(row):
            return False
        made = make_placeholder(domain_names(row)[:MOST_NAMES])
        try:
            placeholder = certificate_store(made, source=Certificate.Source.PLACEHOLDER, enrollment=row)
        except SealingKeyMissing as error:  # no reason to refuse the save that asks for it
            logger.error("no placeholder is made for %s: %s", row.domain.host, error)
            return False
        row.current = placeholder
        row.save(update_fields=["current"])
        # Nobody goes back to an older one.
        Certificate.objects.filter(enrollment=row, source=Certificate.Source.PLACEHOLDER).exclude(
            pk=placeholder.pk
        ).delete()
    return True


def make_placeholder(names: list[str]) -> Material:
    """A self-signed certificate for these names, the first of them in front."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Cirrus placeholder")])
    begin = timezone.now().replace(microsecond=0) - timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Material((certificate,), key)


def _needed(enrollment: Enrollment) -> bool:
    domain, current = enrollment.domain, enrollment.current
    if not domain.tls or (enrollment.issued_at and domain.hsts_max_age):
        return False
    if current is None:
        return True
    if current.source != Certificate.Source.PLACEHOLDER:
        return False
    life = Life(current.not_before, current.not_after)
    wanted = domain_names(enrollment)[:MOST_NAMES]
    return life.share_left(timezone.now()) < RENEWED_AT or bool(missing(current.names, wanted))
