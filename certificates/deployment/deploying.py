"""The deployment of one certificate: judged, tried on one edge, published to all, and looked for on each."""

import logging
from dataclasses import dataclass
from functools import partial
from typing import Literal

from django.db import transaction
from django.utils import timezone

from accounts.errors import NotOpened, SealingKeyMissing
from alarms.models import Alarm
from alarms.services import alarm_clear, alarm_raise
from certificates.checks.errors import CertificateRefused
from certificates.checks.judging import judge
from certificates.deployment.reaching import await_document, serving_nodes
from certificates.deployment.serving import ask_until, note_served, seen, targets_of
from certificates.deployment.storing import certificate_material, counts, domain_names, installed
from certificates.deployment.waking import wake
from certificates.models import Certificate, Enrollment
from certificates.renewal.names import missing
from certificates.renewal.policy import EMERGENCY, Life
from domains.documents import reason_not_served
from nodes.models import Node

logger = logging.getLogger(__name__)

#: Seconds that an edge has to acknowledge a document, and then to serve what is in it.
ACK_PATIENCE, SERVE_PATIENCE = 5.0, 2.0
#: Edges that are tried in turn, where one cannot be reached.
MOST_TRIED = 3

#: Alarms about certificates that were taken back, until another was deployed; and about those that could be
#: tried on no edge, until all serve them.
ALARM, UNTRIED = "certificate_deployment", "certificate_untried"


@dataclass(frozen=True)
class Deployed:
    """What a deployment came to, and half a sentence on it.

    `stored`: it is kept for when the domain is served over HTTPS; `queued`: Redis has not even got it yet;
    `waiting`: for an edge that can be reached. Both of these are tried again.
    """

    state: Literal["served", "published", "stored", "queued", "waiting", "failed", "nothing"]
    sentence: str


def deploy_start(enrollment: Enrollment, certificate: Certificate) -> None:
    """Begin to bring a certificate to all edges of its domain; another one that is on its way is taken back.

    Safe inside a transaction, and as often as one likes: a worker is woken after the commit.
    """
    with transaction.atomic():
        row = Enrollment.objects.select_for_update(of=("self",)).get(pk=enrollment.pk)
        # What is served already needs no trial: it stays, and nothing else is to take its place.
        candidate = None if certificate.pk == row.current_id else certificate
        if row.candidate_id != (candidate.pk if candidate else None):
            row.candidate, row.candidate_node = candidate, ""
            row.save(update_fields=["candidate", "candidate_node"])
        trials_forget(enrollment)
    transaction.on_commit(partial(wake, enrollment.pk), robust=True)


def trials_forget(enrollment: Enrollment) -> None:
    """Clear what was said of earlier trials: something else is wanted now."""
    for kind in (ALARM, UNTRIED):
        alarm_clear(kind=kind, subject=enrollment.domain.host)


def refusal_forget(enrollment: Enrollment) -> None:
    """Clear the alarm about a certificate that was taken back: another is asked for, or served."""
    alarm_clear(kind=ALARM, subject=enrollment.domain.host)


def deploy(enrollment_id: int) -> Deployed:
    """Bring the deployment of an enrollment as far as it goes now. Never inside a transaction."""
    # No signal: the edges see none of it.
    Enrollment.objects.filter(pk=enrollment_id).update(deployment_at=timezone.now())
    enrollment = (
        Enrollment.objects.select_related("domain", "candidate", "current").filter(pk=enrollment_id).first()
    )
    if enrollment is None:
        return Deployed("nothing", "the domain is gone")
    if enrollment.candidate is None:
        return (
            serve_check(enrollment) if enrollment.current else Deployed("nothing", "there is no certificate")
        )
    try:
        refusal = refusal_of(enrollment, enrollment.candidate)
    except SealingKeyMissing as error:  # that says nothing of the certificate, and somebody can mend it
        _alarm(ALARM, enrollment, f"The new certificate waits: {error}")
        return Deployed("waiting", str(error).rstrip("."))
    if refusal:
        return _reject(enrollment, enrollment.candidate, refusal)
    if why := reason_not_secured(enrollment):
        _promote(enrollment, enrollment.candidate)
        return Deployed("stored", f"kept; it is not served: {why}")
    nodes = serving_nodes()
    if nodes:
        tried = _try(enrollment, enrollment.candidate, nodes)
        if tried:
            return tried
    if not _promote(enrollment, enrollment.candidate):
        return Deployed("nothing", "another certificate has taken its place")
    if not nodes:
        return Deployed("published", "published; no edge is up to serve it")
    return serve_check(enrollment)


def refusal_of(enrollment: Enrollment, certificate: Certificate) -> str:
    """Why a certificate must not take the place of the current one, as a sentence; "" where it may.

    What somebody has uploaded was judged before their eyes: whether it is older or lacks a name is theirs to
    say. One that was issued may lack only names that the current one lacks as well. Raises
    `SealingKeyMissing`.
    """
    wanted, current = domain_names(enrollment), enrollment.current
    gaps = set(missing(certificate.names, wanted))
    before = set(missing(current.names, wanted)) if current and counts(current) else set(wanted)
    served = [name for name in wanted if name not in gaps]
    uploaded = certificate.source == Certificate.Source.UPLOAD
    try:
        judge(
            certificate_material(certificate),
            now=timezone.now(),
            wanted=served if served and gaps <= before else wanted,
            installed=None if uploaded else installed(current),
            confirmed=uploaded,
        )
    except (CertificateRefused, NotOpened) as error:
        return str(error)
    return f"{certificate} was revoked." if certificate.revoked_at else ""


def reason_not_secured(enrollment: Enrollment) -> str:
    """Why edges do not serve the domain over HTTPS, as half a sentence; "" where they do."""
    if not enrollment.domain.tls:
        return "HTTPS is not turned on for the domain"
    return reason_not_served(enrollment.domain)


def serve_check(enrollment: Enrollment) -> Deployed:
    """Look for the current certificate on every serving edge, and note what is served."""
    certificate = enrollment.current
    if certificate is None or reason_not_secured(enrollment):
        return Deployed("nothing", "nothing is to be served")
    nodes = serving_nodes()
    if not nodes:
        return Deployed("published", "published; no edge is up to serve it")
    reach = await_document(enrollment.domain_id, [node.name for node in nodes], patience=ACK_PATIENCE)
    if not reach.published:
        return Deployed("queued", f"not yet on the edges: {reach.failure or 'it waits for its turn'}")
    targets = targets_of(enrollment, certificate, nodes)
    found = seen(certificate, ask_until(targets, certificate.fingerprint, patience=SERVE_PATIENCE))
    note_served(certificate, found)
    if not found.wrong:
        alarm_clear(kind=UNTRIED, subject=enrollment.domain.host)
    logger.info("certificate_served host=%s %s", enrollment.domain.host, found.sentence)
    return Deployed("served" if not found.wrong else "published", found.sentence)


def _try(enrollment: Enrollment, certificate: Certificate, nodes: list[Node]) -> Deployed | None:
    """Try the candidate on one edge; None where it has proven itself, or must be published untried."""
    unreached = ""
    first = enrollment.candidate_node  # a worker that was killed had chosen it
    for node in sorted(nodes, key=lambda node: node.name != first)[:MOST_TRIED]:
        if not _place(enrollment, certificate, node.name):
            return Deployed("nothing", "another certificate has taken its place")
        reach = await_document(enrollment.domain_id, [node.name], patience=ACK_PATIENCE)
        if not reach.published or (reach.failure and not reach.refused):
            return Deployed("queued", f"not yet on the edges: {reach.failure or 'it waits for its turn'}")
        if reach.refused:
            return _reject(enrollment, certificate, f"{node.name} refuses it: {reach.refused[node.name]}.")
        if reach.waiting:
            unreached = f"{node.name} does not acknowledge it"
            continue
        targets = targets_of(enrollment, certificate, [node])
        served = ask_until(targets, certificate.fingerprint, patience=SERVE_PATIENCE)[node.name]
        if served.fingerprint == certificate.fingerprint:
            return None
        if served.reached:
            found = seen(certificate, {node.name: served})
            note_served(certificate, found)
            return _reject(
                enrollment, certificate, f"{node.name} does not serve it: {found.wrong[node.name]}."
            )
        unreached = f"{node.name}: {served.why}"
    return _untried(enrollment, unreached)


def _untried(enrollment: Enrollment, why: str) -> Deployed | None:
    """No edge could be asked. While a good certificate is served, the new one waits; else it is published all
    the same, for edges take no document that they cannot use."""
    current = enrollment.current
    sentence = f"The new certificate could not be tried on an edge: {why}."
    if current and _is_good(current):
        _alarm(UNTRIED, enrollment, f"{sentence} It waits; the one before is served until it could be.")
        return Deployed("waiting", f"not tried yet: {why}")
    _alarm(
        UNTRIED,
        enrollment,
        f"{sentence} It was published all the same: check that workers reach the edges at CIRRUS_HTTPS_PORT.",
    )
    return None


def _is_good(certificate: Certificate) -> bool:
    """Whether clients will be content with it for a while yet."""
    if not counts(certificate) or certificate.revoked_at:
        return False
    return Life(certificate.not_before, certificate.not_after).share_left(timezone.now()) > EMERGENCY


def _place(enrollment: Enrollment, certificate: Certificate, node: str) -> bool:
    """Have this edge serve the candidate; False where it is no longer the candidate."""
    with transaction.atomic():
        row = Enrollment.objects.select_for_update(of=("self",)).filter(pk=enrollment.pk).first()
        if row is None or row.candidate_id != certificate.pk:
            return False
        if row.candidate_node != node:
            row.candidate_node = node
            row.save(update_fields=["candidate_node"])
    enrollment.candidate_node = node
    return True


def _promote(enrollment: Enrollment, certificate: Certificate) -> bool:
    """Make the candidate the current one on all edges; the one before is kept for one step back."""
    with transaction.atomic():
        row = (
            Enrollment.objects.select_for_update(of=("self",))
            .select_related("current")
            .filter(pk=enrollment.pk)
            .first()
        )
        if row is None or row.candidate_id != certificate.pk:
            return False
        if row.current and counts(row.current) and row.current_id != certificate.pk:
            row.previous = row.current
        row.current, row.candidate, row.candidate_node = certificate, None, ""
        if row.issued_at is None and counts(certificate):
            row.issued_at = timezone.now()
        row.save(update_fields=["current", "candidate", "candidate_node", "previous", "issued_at"])
        if counts(certificate):
            row.certificates.filter(source=Certificate.Source.PLACEHOLDER).delete()
        refusal_forget(enrollment)
    enrollment.current, enrollment.candidate, enrollment.candidate_node = certificate, None, ""
    logger.info(
        "certificate_deployed host=%s fingerprint=%s", enrollment.domain.host, certificate.fingerprint
    )
    return True


def _reject(enrollment: Enrollment, certificate: Certificate, why: str) -> Deployed:
    """Take the candidate back; what is served stays."""
    with transaction.atomic():
        row = Enrollment.objects.select_for_update(of=("self",)).filter(pk=enrollment.pk).first()
        if row is None or row.candidate_id != certificate.pk:
            return Deployed("nothing", "another certificate has taken its place")
        row.candidate, row.candidate_node = None, ""
        row.save(update_fields=["candidate", "candidate_node"])
    stays = "The one before is served on." if enrollment.current else "No other is served."
    _alarm(ALARM, enrollment, f"The new certificate was taken back: {why} {stays}")
    return Deployed("failed", why.rstrip("."))


def _alarm(kind: str, enrollment: Enrollment, sentence: str) -> None:
    current = enrollment.current
    calm = current and counts(current) and current.not_after > timezone.now()
    severity = Alarm.Severity.WARNING if calm else Alarm.Severity.CRITICAL
    alarm_raise(kind=kind, subject=enrollment.domain.host, sentence=sentence, severity=severity)
