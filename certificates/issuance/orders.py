"""Opening orders and bringing them forward: what tasks, commands and the admin call."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.errors import NotOpened, SealingKeyMissing
from certificates.deployment.deploying import deploy_start
from certificates.issuance.accounts import account_forget
from certificates.issuance.addresses import addresses_of, strays
from certificates.issuance.challenges import challenges_withdraw
from certificates.issuance.client import HTTP_01
from certificates.issuance.errors import (
    AccountUnknown,
    AuthorityProblem,
    AuthorityUnreachable,
    LeaseLost,
    NotOrdered,
    OrderFails,
)
from certificates.issuance.events import event
from certificates.issuance.lease import LEASE, Lease, lease_take
from certificates.issuance.machine import STEPS, Run, State
from certificates.issuance.names import ordered_names, validated_name
from certificates.issuance.network import Watcher
from certificates.issuance.outcomes import Failed, FailureKind, Issued, Outcome, Waiting
from certificates.issuance.problems import failure
from certificates.models import Authority, Enrollment, Order

#: What a step may raise that means something for the order.
Expected = (
    OrderFails | AccountUnknown | AuthorityProblem | AuthorityUnreachable | NotOpened | SealingKeyMissing
)
EXPECTED = (OrderFails, AccountUnknown, AuthorityProblem, AuthorityUnreachable, NotOpened, SealingKeyMissing)
#: Failures that come of where the names lead.
UNSEEN = frozenset({FailureKind.DNS, FailureKind.CONNECTION, FailureKind.UNAUTHORIZED})
#: Seconds that one call may take, where the caller does not say: a task has a limit of its own.
PATIENCE = 30.0
#: Seconds until the next try where an authority has trouble in the middle of an order: 5, 10, 20 …
FIRST_TRY, LAST_TRY = 5.0, 300.0
#: After so many tries in a row the order is given up, after a quarter of an hour.
MOST_TRIES = 8
#: An order that has not brought a certificate after so long is given up, whatever the reason.
MOST_AGE = timedelta(days=1)
#: An authority that limits us for no longer than this is waited for in the middle of an order.
SHORT_LIMIT = timedelta(minutes=10)


def order_open(
    *, enrollment: Enrollment, authority: Authority, staging: bool = False, replaces: str = ""
) -> Order:
    """Open an order for the names that the domain has now; the open one, where there is one already.

    `replaces`: the ARI identifier of the certificate it renews (RFC 9773). Nobody is asked yet:
    `order_advance` does that. Raises `NotOrdered`.
    """
    if found := _open_order(enrollment):
        return found
    names = ordered_names(enrollment.domain.host, enrollment.domain.hostnames.values_list("name", flat=True))
    if len(names) > authority.max_names:
        raise NotOrdered(
            f"{enrollment.domain} has {len(names):,} names, and {authority.name} takes at most "
            f"{authority.max_names:,} in a certificate: take some to a domain of their own."
        )
    if staging and not authority.staging_url:
        raise NotOrdered(f"{authority.name} has no staging environment.")
    try:
        with transaction.atomic():
            order = Order.objects.create(
                enrollment=enrollment,
                authority=authority,
                staging=staging,
                names=names,
                replaces=replaces,
                state=State.NEW,
                due_at=timezone.now(),
            )
    except IntegrityError:
        if found := _open_order(enrollment):  # somebody was faster
            return found
        raise
    event("order_opened", order=order.pk, domain=enrollment.domain.host, authority=authority.name)
    return order


def _open_order(enrollment: Enrollment) -> Order | None:
    return Order.objects.filter(enrollment=enrollment, ended_at=None).first()


def order_advance(
    order_id: int, *, patience: float = PATIENCE, progress: Watcher = lambda _: None
) -> Outcome:
    """Bring the order as far as it goes within about `patience` seconds.

    May be called by anybody at any time: of several workers one does the work, and an order that has ended
    keeps its outcome. `progress` is told of every request (“ask …”, “asked …”) and state (“state …”).
    """
    lease = lease_take(order_id)
    if lease is None:
        return _outcome_now(order_id)
    run = None
    try:
        run = Run(lease, patience=patience, progress=progress)
        if _too_old(run.order):
            return _settled(run, Failed(FailureKind.ORDER_LOST, "The order is a day old, and was not done."))
        return _settled(run, _advance(run))
    except Order.DoesNotExist:
        return _outcome_now(order_id)
    except LeaseLost as error:
        event("lease_lost", level=logging.WARNING, order=order_id)
        return Waiting(timezone.now() + LEASE, str(error).rstrip("."))
    except Exception:
        # A mistake of ours: the order stays, and whoever comes next finds it in its last state.
        _release(lease, until=timezone.now() + timedelta(seconds=LAST_TRY))
        raise
    finally:
        if run:
            run.close()


def _too_old(order: Order) -> bool:
    """Whether something stands in the way of this order that no step knows of."""
    return order.certificate_id is None and timezone.now() > order.created_at + MOST_AGE


def _advance(run: Run) -> Outcome:
    """Take steps until one waits or fails, or there is none left."""
    while True:
        try:
            if run.order.state == State.DEPLOYING:
                return _deployed(run)
            waiting = STEPS[run.order.state](run)
        except EXPECTED as error:
            try:
                outcome = _handled(run, error)
            except OrderFails as late:  # what would have been waited for has taken too long
                outcome = late.failed
            if outcome:
                return outcome
            continue
        if waiting:
            return waiting


def _handled(run: Run, error: Expected) -> Outcome | None:
    """What an error means for the order; None where it can go on at once."""
    order = run.order
    if isinstance(error, OrderFails):
        if error.failed.kind == FailureKind.CA_DOWN and order.url:
            return _trouble(run, error.failed)
        return error.failed
    if isinstance(error, NotOpened | SealingKeyMissing):
        return run.again(str(error).rstrip("."), seconds=LAST_TRY)  # an operator can mend that
    if isinstance(error, AccountUnknown):
        return _without_account(run)
    if isinstance(error, AuthorityUnreachable):
        return _trouble(
            run, Failed(FailureKind.CA_DOWN, f"{order.authority.name} cannot be asked: {error.why}.")
        )
    return _problem(run, error)


def _problem(run: Run, error: AuthorityProblem) -> Outcome:
    order = run.order
    failed = failure(
        error.problem,
        authority=order.authority.name,
        names=order.names,
        retry_after=error.retry_after,
        status=error.status,
        validating=False,
    )
    # Before the order is placed nothing was said of any name, and 503 is about all (RFC 9110 section 15.6.4).
    failed = replace(failed, everybody=order.state == State.NEW or error.status == 503)
    if failed.kind == FailureKind.CA_DOWN:
        return _trouble(run, failed)
    now = timezone.now()
    soon = failed.retry_after and failed.retry_after <= now + SHORT_LIMIT
    if failed.kind == FailureKind.RATE_LIMITED and order.url and soon:
        return run.again(failed.sentence.rstrip("."), until=failed.retry_after)
    return failed


def _without_account(run: Run) -> Failed | None:
    """The authority has lost our account, and with it the order, where there was one."""
    order = run.order
    account_forget(authority=order.authority, staging=order.staging, url=run.client.account_url)
    run.close()
    if order.url or run.forgotten:
        sentence = (
            f"{order.authority.name} has forgotten our account and the order; a new one makes both anew."
        )
        return Failed(FailureKind.ORDER_LOST, sentence)
    run.forgotten = True
    return None


def _trouble(run: Run, failed: Failed) -> Outcome:
    """The authority has trouble of its own: an order that it knows is not given up for that at once."""
    tries = int((run.order.problem or {}).get("tries", 0)) + 1
    if run.order.state == State.NEW or tries >= MOST_TRIES or run.is_too_long(failed.retry_after):
        return failed
    pause = timedelta(seconds=min(FIRST_TRY * 2 ** (tries - 1), LAST_TRY))
    run.lease.write(problem={"tries": tries, "problem": failed.problem})
    until = max(timezone.now() + pause, failed.retry_after or timezone.now())
    return Waiting(until, failed.sentence.rstrip("."))


def _deployed(run: Run) -> Issued:
    """Hand the certificate on, and end the order."""
    order, certificate = run.order, run.order.certificate
    if certificate is None:
        raise OrderFails(
            Failed(FailureKind.ORDER_LOST, "The certificate was deleted before it was deployed.")
        )
    with transaction.atomic():
        run.write(State.ISSUED, ended_at=timezone.now(), leased_until=None)
        challenges_withdraw(order)
        if not order.staging and _is_wanted(order.enrollment_id):
            deploy_start(order.enrollment, certificate)
    return Issued(certificate)


def _is_wanted(enrollment_id: int) -> bool:
    """Whether certificates still come from authorities: somebody may have uploaded one meanwhile."""
    locked = Enrollment.objects.select_for_update().get(pk=enrollment_id)
    return locked.source == Enrollment.Source.ACME


def _settled(run: Run, outcome: Outcome) -> Outcome:
    """Store what an outcome means for the order, and give the lease back."""
    order = run.order
    if isinstance(outcome, Waiting):
        run.lease.write(sentence=outcome.why, due_at=outcome.until, leased_until=None)
        event("order_waits", order=order.pk, state=order.state, why=outcome.why)
    elif isinstance(outcome, Failed):
        outcome = _with_strays(order, outcome)
        with transaction.atomic():
            run.write(
                State.FAILED,
                ended_at=timezone.now(),
                leased_until=None,
                key="",
                sentence=outcome.sentence,
                problem=_stored(outcome),
            )
            challenges_withdraw(order)
        event(
            "order_failed",
            level=logging.WARNING,
            order=order.pk,
            domain=order.enrollment.domain.host,
            authority=order.authority.name,
            kind=outcome.kind,
            why=outcome.sentence,
        )
    return outcome


def _with_strays(order: Order, failed: Failed) -> Failed:
    """The same; where an authority has not seen our answers over HTTP, with where the names lead."""
    if failed.kind not in UNSEEN:
        return failed
    by_http = order.authorizations.filter(challenge_type=HTTP_01)
    if failed.names:
        by_http = by_http.filter(name__in=map(validated_name, failed.names))
    remark = strays(addresses_of(by_http.values_list("name", flat=True)))
    return replace(failed, sentence=f"{failed.sentence} {remark}") if remark else failed


def _release(lease: Lease, *, until: datetime) -> None:
    try:
        lease.write(due_at=until, leased_until=None)
    except LeaseLost:
        pass


# -- outcomes of orders that somebody else has, or that have ended ------------------------------------


def _outcome_now(order_id: int) -> Outcome:
    order = Order.objects.select_related("certificate").filter(pk=order_id).first()
    if order is None:
        return Failed(FailureKind.ORDER_LOST, "The order is gone: its domain was deleted.")
    if order.ended_at is None:
        return Waiting(order.leased_until or timezone.now(), "another worker is at work on it")
    return order_outcome(order) or Failed(FailureKind.ORDER_LOST, "The certificate of the order was deleted.")


def order_outcome(order: Order) -> Issued | Failed | None:
    """How an order has ended; None where it has not."""
    if order.state == State.ISSUED and order.certificate:
        return Issued(order.certificate)
    if order.state != State.FAILED:
        return None
    said: dict[str, Any] = order.problem or {}
    return Failed(
        FailureKind(said.get("kind", FailureKind.ORDER_LOST)),
        order.sentence,
        parse_datetime(said.get("retry_after") or ""),
        said.get("problem") or {},
        tuple(said.get("names") or ()),
        bool(said.get("everybody")),
    )


def _stored(failed: Failed) -> dict[str, Any]:
    return {
        "kind": str(failed.kind),
        "retry_after": failed.retry_after.isoformat() if failed.retry_after else "",
        "problem": failed.problem,
        "names": list(failed.names),
        "everybody": failed.everybody,
    }
