"""From rows to what the pure planning reads: what a domain has, and what its certificate needs next."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Prefetch, QuerySet

from certificates.models import Certificate, Enrollment, Order
from certificates.renewal.plan import Held, Plan, Situation, plan
from certificates.renewal.policy import Life


def tended() -> QuerySet[Enrollment]:
    """The enrollments that certificates are ordered for, with what planning reads of them."""
    return with_plans(
        Enrollment.objects.filter(source=Enrollment.Source.ACME, domain__tls=True, domain__enabled=True)
    )


def with_plans(enrollments: QuerySet[Enrollment]) -> QuerySet[Enrollment]:
    """The same, with everything loaded that `enrollment_plan` reads."""
    real = Certificate.objects.exclude(source=Certificate.Source.PLACEHOLDER).filter(staging=False)
    return enrollments.select_related("domain", "authority", "current", "candidate").prefetch_related(
        "domain__hostnames",
        Prefetch(
            "certificates",
            real.filter(revoked_at=None).order_by("-created_at", "-pk").defer("chain", "key"),
            to_attr="issued",
        ),
        Prefetch("orders", Order.objects.filter(ended_at=None).defer("key", "csr"), to_attr="open_orders"),
    )


def wanted_names(enrollment: Enrollment) -> list[str]:
    """Every name of the domain."""
    return sorted(name.name for name in enrollment.domain.hostnames.all())


def held_certificate(enrollment: Enrollment) -> Certificate | None:
    """The real certificate that counts: what is being deployed, else what the edges serve."""
    for certificate in (enrollment.candidate, enrollment.current):
        if certificate and is_real(certificate) and not certificate.revoked_at:
            return certificate
    return None


def is_real(certificate: Certificate) -> bool:
    """Whether clients can trust it: no placeholder, and none of a staging environment."""
    return certificate.source != Certificate.Source.PLACEHOLDER and not certificate.staging


def life_of(certificate: Certificate) -> Life:
    """Its lifetime."""
    return Life(certificate.not_before, certificate.not_after)


def open_order(enrollment: Enrollment) -> Order | None:
    """The order under way (of an enrollment out of `with_plans`)."""
    orders: list[Order] = enrollment.open_orders  # type: ignore[attr-defined]
    return orders[0] if orders else None


def enrollment_plan(enrollment: Enrollment, *, now: datetime) -> Plan:
    """What the enrollment (out of `with_plans`) needs next."""
    return plan(_situation(enrollment), now=now)


def enrollments_plans(enrollments: Iterable[Enrollment], *, now: datetime) -> dict[int, Plan]:
    """The same for many: primary key → plan."""
    return {enrollment.pk: enrollment_plan(enrollment, now=now) for enrollment in enrollments}


def _situation(enrollment: Enrollment) -> Situation:
    issued: list[Certificate] = enrollment.issued  # type: ignore[attr-defined]
    held = held_certificate(enrollment)
    newest = issued[0] if issued else None
    current = enrollment.current
    revoked_at = current.revoked_at if current and not held else None
    return Situation(
        wanted=wanted_names(enrollment),
        held=_held(held, enrollment) if held else None,
        newest=_held(newest, enrollment) if newest else None,
        revoked=bool(revoked_at),
        forgone=bool(revoked_at and not (newest and newest.created_at > revoked_at)),
        asked_at=enrollment.requested_at,
        wished=enrollment.renew_at if enrollment.ari_start else None,
        free_at=enrollment.next_attempt_at,
    )


def _held(certificate: Certificate, enrollment: Enrollment) -> Held:
    return Held(
        certificate.fingerprint,
        life_of(certificate),
        tuple(certificate.names),
        certificate.created_at,
        in_use=certificate.pk in (enrollment.current_id, enrollment.candidate_id),
    )
