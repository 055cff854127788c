"""Revoking the certificate that a domain serves, and having another one where somebody wants that."""

from django.db import transaction

from certificates.issuance.errors import NotRevoked
from certificates.issuance.revocation import certificate_revoke
from certificates.models import Certificate, Enrollment
from certificates.services.enrollments import enrollment_request
from certificates.services.situations import is_real
from certificates.staging import wake


def enrollment_revoke(*, enrollment: Enrollment, reason: str, reissue: bool) -> Certificate:
    """Have the authority revoke what the domain serves, and (`reissue`) another one ordered at once.

    It is served until another one has taken its place. Raises `NotRevoked`.
    """
    certificate = enrollment.current
    if certificate is None or not is_real(certificate):
        raise NotRevoked(f"{enrollment.domain} has no certificate yet.")
    if certificate.revoked_at:
        raise NotRevoked(f"It was revoked on {certificate.revoked_at:%Y-%m-%d} already.")
    certificate_revoke(certificate=certificate, reason=reason)
    if reissue:
        enrollment_request(enrollment=enrollment)
        transaction.on_commit(wake, robust=True)
    return certificate
