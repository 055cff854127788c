"""Who may do what with certificates: see tests/api/matrix.py."""

from typing import Any

from django.utils import timezone

from certificates.models import Authority, Backoff, Certificate, Enrollment, Order, TicketKey
from tests.api.matrix import ADMINISTRATORS, OPERATORS, VIEWERS, Row
from tests.certificates.made import made_certificate, serve
from tests.factories import DomainFactory

AT = "/api/v1/certificates"
ENROLLED = "/api/v1/enrollments/secured.example.com"
AUTHORITY = {"name": "new", "directory_url": "https://127.0.0.1:1/dir"}
READ, WRITE = "certificates:read", "certificates:write"

ROWS: list[Row] = [
    Row("GET", AT, READ, VIEWERS),
    # It is not valid, which is said only to those who may.
    Row("POST", AT, WRITE, OPERATORS, {"certificate": "nonsense"}, 400),
    Row("GET", f"{AT}/{{certificate}}", READ, VIEWERS),
    Row("GET", f"{AT}/{{certificate}}/chain", READ, VIEWERS),
    Row("GET", f"{AT}/calendar", READ, VIEWERS),
    Row("GET", "/api/v1/enrollments", READ, VIEWERS),
    Row("GET", ENROLLED, READ, VIEWERS),
    Row("PUT", ENROLLED, WRITE, OPERATORS, {"key_type": "rsa-2048"}),
    Row("PATCH", ENROLLED, WRITE, OPERATORS, {"key_type": "rsa-2048"}),
    Row("GET", f"{ENROLLED}/status", READ, VIEWERS),
    Row("GET", f"{ENROLLED}/delegation", READ, VIEWERS),
    Row("GET", f"{ENROLLED}/chain", READ, VIEWERS),
    Row("POST", f"{ENROLLED}/issue", WRITE, OPERATORS, code=202),
    # There is none before, and what was uploaded is not revoked here.
    Row("POST", f"{ENROLLED}/revert", WRITE, OPERATORS, code=409),
    Row("POST", f"{ENROLLED}/revoke", WRITE, OPERATORS, {}, 409),
    Row("GET", "/api/v1/orders", READ, VIEWERS),
    Row("GET", "/api/v1/orders/{order}", READ, VIEWERS),
    Row("GET", "/api/v1/backoffs", READ, VIEWERS),
    Row("GET", "/api/v1/backoffs/{backoff}", READ, VIEWERS),
    Row("GET", "/api/v1/ticket-keys", READ, ADMINISTRATORS),
    Row("GET", "/api/v1/ticket-keys/key-1", READ, ADMINISTRATORS),
    Row("GET", "/api/v1/authorities", "authorities:read", VIEWERS),
    Row("POST", "/api/v1/authorities", "authorities:write", ADMINISTRATORS, AUTHORITY, 201),
    Row("GET", "/api/v1/authorities/house", "authorities:read", VIEWERS),
    Row("PUT", "/api/v1/authorities/new", "authorities:write", ADMINISTRATORS, AUTHORITY, 201),
    Row("PATCH", "/api/v1/authorities/house", "authorities:write", ADMINISTRATORS, {"position": 9}),
    Row("DELETE", "/api/v1/authorities/house", "authorities:write", ADMINISTRATORS, code=204),
    Row("POST", "/api/v1/authorities/house/test", "authorities:write", ADMINISTRATORS),
]


def world(caller: Any) -> dict[str, Any]:
    """What the lines of this module speak of."""
    house = Authority.objects.create(name="house", directory_url="https://127.0.0.1:1/dir")
    domain = DomainFactory(host="secured.example.com", tls=True)
    certificate: Certificate = made_certificate(domain)
    enrollment: Enrollment = serve(domain, certificate)
    order = Order.objects.create(
        enrollment=enrollment, authority=house, names=[domain.host], state="failed", ended_at=timezone.now()
    )
    backoff = Backoff.objects.create(name="x.example", authority=house, next_at=timezone.now())
    TicketKey.objects.create(label="key-1", active_from=timezone.now(), key="sealed")
    return {"certificate": certificate.pk, "order": order.pk, "backoff": backoff.pk}
