"""What authorities say about when to renew: renewal information (RFC 9773 section 4)."""

import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import F, Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from certificates.issuance.errors import AuthorityProblem, AuthorityUnreachable
from certificates.issuance.network import Network
from certificates.issuance.problems import parse_retry_after
from certificates.models import Authority, Certificate, Enrollment
from certificates.renewal.policy import ARI_LONGEST, Window, chosen_point, next_question, own_time, renewal
from certificates.services.settling import enrollment_schedule
from certificates.services.situations import held_certificate, life_of, tended

logger = logging.getLogger(__name__)

#: Certificates that are asked for in one round, and seconds that it takes at most.
SOME, PATIENCE = 200, 40.0
#: Where an authority cannot be asked now, it is asked again after this, at most.
TROUBLE = timedelta(hours=1)
#: Bytes of an explanation's URL that are kept.
LONGEST_URL = 500

#: A chance from 0 to 1; a test may know it.
Chance = Callable[[], float]
random_chance: Chance = random.SystemRandom().random


def windows_ask(*, now: datetime | None = None, chance: Chance = random_chance) -> int:
    """Ask for the windows of certificates whose turn it is; their number.

    An authority that does not answer is asked no more in this round, and keeps what it said before.
    """
    now = now or timezone.now()
    deadline = time.monotonic() + PATIENCE
    due = (
        tended()
        .select_related("domain", "authority", "current__authority", "candidate__authority")
        .filter(
            Q(ari_check_at=None) | Q(ari_check_at__lte=now),
            Q(current__authority__isnull=False) | Q(candidate__authority__isnull=False),
        )
    )
    asked, desks = 0, dict[int, _Desk]()
    try:
        for enrollment in due.order_by(F("ari_check_at").asc(nulls_first=True), "pk")[:SOME]:
            certificate = held_certificate(enrollment)
            if certificate is None or certificate.authority is None or certificate.not_after <= now:
                # RFC 9773 section 4.3: nobody asks for a certificate that has ended.
                enrollment_schedule(enrollment, ari_check_at=now + ARI_LONGEST)
                continue
            desk = desks.setdefault(certificate.authority.pk, _Desk(certificate.authority))
            _ask(desk, enrollment, certificate, now, chance)
            asked += 1
            if time.monotonic() > deadline:
                break
    finally:
        for desk in desks.values():
            desk.close()
    return asked


def _ask(
    desk: "_Desk", enrollment: Enrollment, certificate: Certificate, now: datetime, chance: Chance
) -> None:
    life = life_of(certificate)
    try:
        found = desk.window(certificate.ari_id, now)
    except (AuthorityProblem, AuthorityUnreachable, ValueError) as error:
        logger.warning("renewal_window host=%s problem=%s", enrollment.domain.host, error)
        wait = min(TROUBLE, next_question(life, now=now) - now)
        enrollment_schedule(enrollment, ari_check_at=next_question(life, now=now, wait=wait))
        return
    again = next_question(life, now=now, wait=found.wait if found else None)
    window = found.window if found else None
    if found and window == _known(enrollment):
        # A point once chosen stays, as long as the window is the same.
        enrollment_schedule(enrollment, ari_check_at=again, ari_explanation=found.explanation)
        return
    point = chosen_point(window, chance=chance()) if window else None
    planned = renewal(life, fingerprint=certificate.fingerprint, wished=point)
    news: dict[str, Any] = {
        "ari_check_at": again,
        "ari_start": window.start if window and point else None,
        "ari_end": window.end if window and point else None,
        "ari_explanation": found.explanation if found and point else "",
        "renew_at": point or own_time(life, certificate.fingerprint),
    }
    if enrollment.next_attempt_at and planned.at < enrollment.next_attempt_at and not enrollment.attempts:
        news["next_attempt_at"] = planned.at  # sooner than planned; whoever looks too soon looks again
    if point:
        logger.info("renewal_window host=%s at=%s", enrollment.domain.host, point.isoformat())
    enrollment_schedule(enrollment, **news)


def _known(enrollment: Enrollment) -> Window | None:
    if enrollment.ari_start and enrollment.ari_end and enrollment.renew_at:
        return Window(enrollment.ari_start, enrollment.ari_end)
    return None


class _Answer:
    """A window, how long to wait until the next question, and where it is explained."""

    def __init__(self, window: Window, wait: timedelta | None, explanation: str) -> None:
        self.window, self.wait, self.explanation = window, wait, explanation


class _Desk:
    """One authority in one round: its directory is read once, and trouble with it is met once."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.network = Network(trust=authority.trust)
        self.url: str | None = None
        self.trouble: AuthorityProblem | AuthorityUnreachable | None = None

    def window(self, ari_id: str, now: datetime) -> _Answer | None:
        """What it says of a certificate; None where it tells nobody.

        Raises `AuthorityProblem`, `AuthorityUnreachable`, and `ValueError` where its answer is no window.
        """
        if self.trouble:
            raise self.trouble
        try:
            if self.url is None:
                directory = self.network.get(self.authority.directory_url).json()
                told = directory.get("renewalInfo") if isinstance(directory, dict) else None
                self.url = told if isinstance(told, str) else ""
            if not self.url or not ari_id:
                return None
            response = self.network.get(f"{self.url.rstrip('/')}/{ari_id}")
        except AuthorityUnreachable as error:
            self.trouble = error
            raise
        except AuthorityProblem as problem:
            if problem.status == 429 or problem.status >= 500:
                self.trouble = problem
            raise
        return _read(response.json(), response.headers.get("Retry-After"), now)

    def close(self) -> None:
        self.network.close()


def _read(document: Any, retry_after: str | None, now: datetime) -> _Answer:
    told = document.get("suggestedWindow") if isinstance(document, dict) else None
    start, end = (
        (parse_datetime(str(told.get(name))) for name in ("start", "end"))
        if isinstance(told, dict)
        else (None, None)
    )
    if not (start and end and start.tzinfo and end.tzinfo):
        raise ValueError("the answer has no window")
    try:
        window = Window(start.astimezone(UTC), end.astimezone(UTC))
    except OverflowError as error:
        raise ValueError("the window is at no time that there is") from error
    until = parse_retry_after(retry_after, now=now)
    explanation = str(document.get("explanationURL") or "")
    shown = explanation if explanation.startswith("https://") and len(explanation) <= LONGEST_URL else ""
    return _Answer(window, until - now if until else None, shown)
