"""What edges see of certificates: `cdn:cert:{host}`, `cdn:acme:http01:{host}` and `cdn:tickets:tickets`.

A private key stands in a document as it stands in SQL: sealed for the edges.
"""

from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Value

from certificates.models import Authorization, Certificate, Enrollment, Order, TicketKey
from domains.documents import reason_not_served
from domains.models import Domain, Origin
from edge.models import Keyspace, Kind
from edge.rendering import Source

HTTP_01 = "http-01"
#: The one key of the one document about tickets. Its object is the one row of the keyspace.
TICKETS, TICKETS_OBJECT = "tickets", 1

#: Answers that edges are to give now.
SHOWN = Q(challenge_type=HTTP_01) & ~Q(token="") & ~Q(value="")  # of a challenge, not a password


def certificate_part(certificate: Certificate) -> dict[str, Any]:
    """One certificate in a document; times are Unix seconds."""
    return {
        "fingerprint": certificate.fingerprint,
        "chain": certificate.chain,
        "key": certificate.key,
        "names": certificate.names,
        "not_before": int(certificate.not_before.timestamp()),
        "not_after": int(certificate.not_after.timestamp()),
        "placeholder": certificate.source == Certificate.Source.PLACEHOLDER or certificate.staging,
    }


def certificate_document(domain: Domain) -> dict[str, Any]:
    """The body of a domain's certificate document (docs/keyspace.md, kind `certificate`).

    Reads the domain's enrollment with its current certificate and its candidate.
    """
    enrollment = enrollment_of(domain)
    current = enrollment.current if enrollment else None
    body: dict[str, Any] = {
        "id": domain.pk,
        "host": domain.host,
        "current": certificate_part(current) if current else None,
    }
    if enrollment and enrollment.candidate and enrollment.candidate_node:
        tried = certificate_part(enrollment.candidate)
        body["candidate"] = {"node": enrollment.candidate_node, **tried}
    return body


def reason_without_certificate(domain: Any) -> str:
    """Why the edges must not have a certificate of this domain, or "" where they must.

    The domain comes out of `secured_domains`.
    """
    if not domain.enabled or not domain.has_origin:
        return reason_not_served(domain)
    enrollment = enrollment_of(domain)
    if enrollment and (enrollment.current or (enrollment.candidate and enrollment.candidate_node)):
        return ""
    return "there is no certificate yet"


def enrollment_of(domain: Domain) -> Enrollment | None:
    """The enrollment of a domain, or None where it has none."""
    found: Enrollment | None = getattr(domain, "enrollment", None)
    return found


def challenge_document(domain: Domain) -> dict[str, Any]:
    """The body of a domain's challenge document (docs/keyspace.md, kind `challenge`)."""
    orders: Any = domain.enrollment.orders.all()
    shown = [each for order in orders for each in order.authorizations.all()]
    return {
        "id": domain.pk,
        "host": domain.host,
        "tokens": {each.token: each.value for each in shown},
    }


def tickets_document(_: Keyspace) -> dict[str, Any]:
    """The body of the document about tickets (docs/keyspace.md, kind `tickets`), the newest key first."""
    keys = TicketKey.objects.order_by("-active_from", "-pk")
    return {
        "keys": [
            {"id": key.label, "active_from": int(key.active_from.timestamp()), "key": key.key} for key in keys
        ]
    }


#: What a document is made of; everything else of these wide rows is left in the database.
OF_CERTIFICATE = ["fingerprint", "chain", "key", "names", "not_before", "not_after", "source", "staging"]
READ = [
    *("host", "enabled", "tls", "enrollment__domain", "enrollment__candidate_node"),
    *(f"enrollment__current__{column}" for column in OF_CERTIFICATE),
    *(f"enrollment__candidate__{column}" for column in OF_CERTIFICATE),
]


def secured_domains() -> QuerySet[Domain]:
    """The domains with TLS, with what their documents are made of: one query, also for many."""
    ordinary = Origin.objects.filter(domain=OuterRef("pk"), backup=False)
    return (
        Domain.objects.filter(tls=True)
        .select_related("enrollment__current", "enrollment__candidate")
        .only(*READ)
        .annotate(has_origin=Exists(ordinary))
    )


def challenged_domains() -> QuerySet[Domain]:
    """The domains of which somebody is to find an answer at the edges."""
    shown = Authorization.objects.filter(SHOWN)
    return (
        Domain.objects.filter(pk__in=shown.values("order__enrollment__domain"))
        .select_related("enrollment")
        .prefetch_related(
            Prefetch(
                "enrollment__orders", Order.objects.filter(pk__in=shown.values("order")).only("enrollment")
            ),
            Prefetch("enrollment__orders__authorizations", shown),
        )
    )


SOURCES: dict[str, Source] = {
    Kind.TICKETS: Source(
        objects=lambda: Keyspace.objects.annotate(document=Value(TICKETS)),
        key_field="document",
        body=tickets_document,
        withheld=lambda _: "" if TicketKey.objects.exists() else "there are no keys yet",
    ),
    Kind.CHALLENGE: Source(
        objects=challenged_domains,
        key_field="host",
        body=challenge_document,
        withheld=lambda domain: "",
    ),
    Kind.CERTIFICATE: Source(
        objects=secured_domains,
        key_field="host",
        body=certificate_document,
        withheld=reason_without_certificate,
    ),
}


# -- which documents a save changes: for the table in cirrus_site/effects.py ---------------------------


def domains_of_certificate(certificate: Certificate) -> list[int]:
    """The domains that serve it, or try it."""
    used = Enrollment.objects.filter(Q(current=certificate.pk) | Q(candidate=certificate.pk))
    return list(used.values_list("domain_id", flat=True))


def domains_of_authorization(authorization: Authorization) -> list[int]:
    """The domain whose edges show its answer; none where another kind of answer is shown."""
    if authorization.challenge_type != HTTP_01:
        return []
    found = Enrollment.objects.filter(orders=authorization.order_id)
    return list(found.values_list("domain_id", flat=True))
