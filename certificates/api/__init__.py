"""Certificates, what domains are to have, orders and authorities in the API."""

from certificates.api.authorities import AuthorityViewSet
from certificates.api.certificates import CertificateViewSet
from certificates.api.domains import CertifiedDomainViewSet
from certificates.api.enrollments import EnrollmentViewSet
from certificates.api.orders import BackoffViewSet, OrderViewSet
from certificates.api.tickets import TicketKeyViewSet

__all__ = [
    "AuthorityViewSet",
    "BackoffViewSet",
    "CertificateViewSet",
    "CertifiedDomainViewSet",
    "EnrollmentViewSet",
    "OrderViewSet",
    "TicketKeyViewSet",
]
