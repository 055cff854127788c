"""Which orders are opened and which are brought forward, and when: what the scheduled job does.

    every few seconds, on a save, and whenever an order has ended:
        settle what has ended · claim orders that are due · open orders for what is due, if there is room

A claim is a conditional UPDATE, so that two schedulers never give the same order to two workers; and should
both die, the claim runs out. Room is counted under a lock on the authorities.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from certificates.issuance.errors import NotOrdered
from certificates.issuance.names import ordered_names
from certificates.issuance.orders import order_advance, order_open, order_outcome
from certificates.issuance.outcomes import Outcome, Waiting
from certificates.models import Authority, Certificate, Enrollment, Order
from certificates.renewal.choice import Later
from certificates.renewal.ladder import ATTEMPTS
from certificates.renewal.plan import NEVER
from certificates.services.authorities import authorities_for, authority_choose, breaker_try, resting_until
from certificates.services.settling import enrollment_schedule, order_settle
from certificates.services.situations import enrollment_plan, held_certificate, tended, wanted_names

logger = logging.getLogger(__name__)

#: For so long an order belongs to the task that was sent for it, should nobody hear of that again.
CLAIM = timedelta(minutes=4)
#: An order that was opened so long ago is an old one: it waits for something.
OLD = timedelta(minutes=2)
#: For each order that may be at work so many may be open.
MOST_OPEN = 25
#: When an enrollment is looked at again whose order nobody has settled, or for which nobody can be asked, or
#: is to be.
LOST, NOBODY = timedelta(minutes=10), timedelta(hours=1)
#: Enrollments that one round looks at, at most, for one place of the room.
GLANCE = 20
#: Those that are to be looked at at once come first, on every database.
SOONEST = F("next_attempt_at").asc(nulls_first=True)


def certificates_tend(*, now: datetime | None = None) -> list[int]:
    """Settle, claim and open; the orders that a task is to be sent for, each with `order_follow`."""
    now = now or timezone.now()
    orders_settle(now=now)
    if not (_due_orders(now).exists() or _due_enrollments(now).exists()):
        return []  # without a lock, as nearly always
    with transaction.atomic():
        # Whoever counts, counts alone: the same rows are locked by all.
        list(Authority.objects.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
        claimed = _claim_due(now, room=_parallel() - len(_at_work(now)))
        return claimed + _open_due(now, room=_room(now))


def order_follow(*, order_id: int, patience: float) -> Outcome:
    """Bring an order forward for up to `patience` seconds, and settle it where it ends by that."""
    outcome = order_advance(order_id, patience=patience)
    if not isinstance(outcome, Waiting):
        orders_settle(now=timezone.now(), only=order_id)
    return outcome


def orders_settle(*, now: datetime, only: int | None = None) -> int:
    """Settle the orders that have ended, each once, whoever brought them there; their number."""
    ended = Order.objects.filter(settled_at=None).exclude(ended_at=None).order_by("ended_at")
    if only is not None:
        ended = ended.filter(pk=only)
    settled = 0
    for order in ended.select_related("certificate"):
        try:
            settled += _settle_once(order, now)
        except Exception:  # one that cannot be settled must not hold up the others
            logger.exception("order %d cannot be settled", order.pk)
    return settled


@transaction.atomic
def _settle_once(order: Order, now: datetime) -> bool:
    # An order has no effect outside: update() passes nobody by.
    if not Order.objects.filter(pk=order.pk, settled_at=None).update(settled_at=now):
        return False
    if outcome := order_outcome(order):
        order_settle(order=order, outcome=outcome, now=now)
    return True


def _at_work(now: datetime) -> list[datetime]:
    """When the orders were opened that tasks have now, or are sent for. One that waits is not at work."""
    at_work = Q(leased_until__gt=now) | Q(due_at__gt=now, sentence="")
    return list(Order.objects.filter(at_work, ended_at=None).values_list("created_at", flat=True))


def _room(now: datetime) -> int:
    """How many more orders may be opened (CIRRUS_CERTIFICATE_PARALLEL at work at once, some more waiting)."""
    opened = Order.objects.filter(ended_at=None).count()
    return min(_parallel() - len(_at_work(now)), MOST_OPEN * _parallel() - opened)


def _claim_due(now: datetime, *, room: int) -> list[int]:
    """Orders that wait no longer, or whose worker was lost, claimed; the oldest first.

    Old ones, which may be waiting for something that never comes, leave one place to the others.
    """
    if room <= 0:
        return []
    old = now - OLD
    places = max(1, _parallel() - 1) - sum(opened < old for opened in _at_work(now))
    claimed: list[int] = []
    for order_id, opened in _due_orders(now).order_by("due_at", "pk").values_list("pk", "created_at"):
        if len(claimed) == room:
            break
        if (opened >= old or places > 0) and _claim(order_id, now):
            claimed.append(order_id)
            places -= opened < old
    return claimed


def _parallel() -> int:
    return int(settings.CIRRUS.certificate_parallel)


def _due_orders(now: datetime) -> QuerySet[Order]:
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    return Order.objects.filter(free, ended_at=None, due_at__lte=now)


def _due_enrollments(now: datetime) -> QuerySet[Enrollment]:
    ordered = Order.objects.filter(enrollment=OuterRef("pk"), ended_at=None)
    due = Q(next_attempt_at=None) | Q(next_attempt_at__lte=now)
    return tended().filter(due, ~Exists(ordered))


def _claim(order_id: int, now: datetime) -> bool:
    found = Order.objects.filter(pk=order_id, ended_at=None, due_at__lte=now)
    return bool(found.update(due_at=now + CLAIM, sentence=""))


def _open_due(now: datetime, *, room: int) -> list[int]:
    opened: list[int] = []
    if room <= 0:
        return opened
    for enrollment in _due_enrollments(now).order_by(SOONEST, "pk")[: GLANCE * room]:
        order = _open_one(enrollment, now)
        if order and _claim(order.pk, max(now, order.due_at)):
            opened.append(order.pk)
        if len(opened) == room:
            break
    return opened


def _open_one(enrollment: Enrollment, now: datetime) -> Order | None:
    try:
        with transaction.atomic():
            return enrollment_open(enrollment=enrollment, now=now)
    except Exception:  # nor must one that cannot be planned
        logger.exception("no order can be opened for %s", enrollment.domain.host)
        enrollment_schedule(enrollment, next_attempt_at=now + LOST)
        return None


def enrollment_open(*, enrollment: Enrollment, now: datetime, force: bool = False) -> Order | None:
    """Open an order where one is due (or `force`) and somebody may be asked; else note when to look again.

    The enrollment comes out of `tended`.
    """
    planned = enrollment_plan(enrollment, now=now)
    if planned.needed_at > now and not force and (enrollment.attempts or enrollment.problem):
        # What has failed is not needed any more: the name that it was about has gone, for example.
        enrollment_schedule(enrollment, attempts=0, first_failed_at=None, problem="")
    if planned.at > now and not force:
        again = now + NOBODY if planned.at == NEVER else planned.at
        enrollment_schedule(enrollment, next_attempt_at=again)
        return None
    names = ordered_names(enrollment.domain.host, wanted_names(enrollment))
    authorities = authorities_for(enrollment)
    found = authority_choose(authorities=authorities, names=names, now=now)
    if isinstance(found, Later):
        _wait(enrollment, found, authorities, len(names), now)
        return None
    authority, choice = found
    held = held_certificate(enrollment)
    try:
        order = order_open(
            enrollment=enrollment,
            authority=authority,
            staging=choice.staging,
            replaces=_replaced(held, authority) if not choice.staging else "",
        )
    except NotOrdered as error:
        enrollment_schedule(enrollment, problem=str(error), next_attempt_at=now + NOBODY)
        return None
    breaker_try(authority, now=now)
    # Should nobody live to settle it, the enrollment is looked at again nevertheless.
    enrollment_schedule(enrollment, next_attempt_at=now + LOST)
    logger.info(
        "certificate_ordered host=%s authority=%s staging=%s why=%r",
        enrollment.domain.host,
        authority.name,
        choice.staging,
        planned.why,
    )
    return order


def _replaced(held: Certificate | None, authority: Authority) -> str:
    """What the order renews (RFC 9773 section 5): such an order is free of many an authority's limits."""
    return held.ari_id if held and held.authority_id == authority.pk else ""


def _wait(
    enrollment: Enrollment, later: Later, authorities: Sequence[Authority], names: int, now: datetime
) -> None:
    if later.at is not None:
        problem = enrollment.problem or resting_problem(authorities, now=now)
        enrollment_schedule(enrollment, next_attempt_at=later.at, problem=problem)
        return
    # Nothing changes by itself here, so there is an alarm soon, however few attempts there were.
    enrollment_schedule(
        enrollment,
        problem=nobody_problem(authorities, names),
        next_attempt_at=now + NOBODY,
        attempts=max(enrollment.attempts + 1, ATTEMPTS),
        first_failed_at=enrollment.first_failed_at or now,
    )


def resting_problem(authorities: Sequence[Authority], *, now: datetime) -> str:
    """Why nobody may be asked just now, as a sentence."""
    resting = [item for item in authorities if item.problem and (resting_until(item) or now) > now]
    return "No authority may be asked now" + (f": {resting[0].problem}" if resting else ".")


def nobody_problem(authorities: Sequence[Authority], names: int) -> str:
    """Why nobody can be asked, as a sentence."""
    if not authorities:
        return "No certificate authority is enabled for it: add or enable one."
    most = max(authorities, key=lambda item: item.max_names)
    return (
        f"The domain has {names:,} names, and no authority takes so many in one certificate ({most.name}: "
        f"{most.max_names:,}). Use a wildcard for some, or take some to a domain of their own."
    )
