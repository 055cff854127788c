"""One step back: the certificate before is served again."""

import logging
from functools import partial

from django.db import transaction
from django.utils import timezone

from certificates.deployment.deploying import trials_forget
from certificates.deployment.errors import NotReverted
from certificates.deployment.waking import wake
from certificates.models import Certificate, Enrollment

logger = logging.getLogger(__name__)


def certificate_revert(*, enrollment: Enrollment) -> Certificate:
    """Serve the certificate before again, on all edges at once, and keep the one of now in its place.

    What was on its way is taken back. Raises `NotReverted`.
    """
    with transaction.atomic():
        row = (
            Enrollment.objects.select_for_update(of=("self",))
            .select_related("domain", "current", "previous")
            .get(pk=enrollment.pk)
        )
        before = row.previous
        if why := reason_not_reverted(row):
            raise NotReverted(why)
        assert before is not None  # noqa: S101  # there is a reason otherwise
        row.previous, row.current = row.current, before
        row.candidate, row.candidate_node = None, ""
        row.source = before.source  # whoever has got it renews it
        row.save(update_fields=["current", "previous", "candidate", "candidate_node", "source"])
        # What was planned was for the other one.
        Enrollment.objects.filter(pk=row.pk).update(
            renew_at=None, ari_start=None, ari_end=None, ari_explanation="", ari_check_at=None
        )
        Enrollment.objects.filter(pk=row.pk, attempts=0).update(next_attempt_at=None)
        trials_forget(row)
        transaction.on_commit(partial(wake, row.pk), robust=True)
    logger.warning("certificate_reverted host=%s fingerprint=%s", row.domain.host, before.fingerprint)
    return before


def reason_not_reverted(enrollment: Enrollment) -> str:
    """Why there is no way back, as a sentence; "" where there is one."""
    before = enrollment.previous
    if before is None:
        return f"{enrollment.domain} has no certificate before the one of now."
    if before.revoked_at:
        return f"The certificate before was revoked on {before.revoked_at:%Y-%m-%d}: clients would refuse it."
    if before.not_after <= timezone.now():
        return f"The certificate before expired on {before.not_after:%Y-%m-%d %H:%M} UTC."
    return ""
