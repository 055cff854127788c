"""The stored state machine of an order: each step ends with a state in SQL, from which anybody goes on.

    new ─▶ ordering ─▶ ordered ─▶ publishing ─▶ answering ─▶ validating ─▶ ready ─▶ finalizing
        ─▶ downloading ─▶ deploying ─▶ issued                     (from everywhere: ─▶ failed)

Whatever an authority is asked for twice after a crash is either harmless (an account of the same key, an
answer, a finalization) or looked up first (the order itself, in the account's list of orders). The key and
the request are stored before the order is placed, so that whatever is issued can be used.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_csr
from django.db import transaction
from django.utils import timezone

from accounts.sealing import open_sealed, seal
from certificates.issuance.accounts import account_client
from certificates.issuance.addresses import addresses_of, require_addresses, strays
from certificates.issuance.chains import Chain, read_chain
from certificates.issuance.challenges import Plan, challenge_plan, challenges_show, challenges_withdraw
from certificates.issuance.client import DNS_01, HTTP_01, AuthorizationSeen, Client, OrderSeen
from certificates.issuance.errors import AuthorityProblem, OrderFails
from certificates.issuance.events import event
from certificates.issuance.keys import generate_key, make_request
from certificates.issuance.lease import Lease
from certificates.issuance.names import validated_name
from certificates.issuance.network import Watcher
from certificates.issuance.outcomes import Failed, FailureKind, Waiting
from certificates.issuance.problems import failure, problem_code
from certificates.models import Authorization, Certificate, Enrollment, Order

State = Order.State
#: Seconds between two questions how far the authority is: at first, and at most.
FIRST_POLL, MOST_POLL = 0.1, 3.0
#: Seconds until an order whose answers are not seen everywhere, or that the authority still works on, is
#: looked at again.
AGAIN = 5.0
#: Orders in an account's list, the last ones, that are looked at for one that was placed and not stored.
MOST_UNKNOWN = 50
#: So long an order may take.
ORDER_PATIENCE = timedelta(minutes=30)


class Run:
    """One worker's turn with one order."""

    def __init__(self, lease: Lease, *, patience: float, progress: Watcher) -> None:
        self.lease, self.progress = lease, progress
        self.deadline = time.monotonic() + patience
        self.order = Order.objects.select_related("enrollment__domain", "authority").get(pk=lease.order_id)
        #: Whether this very run has found out that nothing has been ordered yet.
        self.untouched = False
        #: Whether the authority has turned out to have lost our account in this run.
        self.forgotten = False
        #: The authorizations that this very run has answered: others may have been, or not.
        self.answered: set[int] = set()

    @cached_property
    def client(self) -> Client:
        return account_client(authority=self.order.authority, staging=self.order.staging, watch=self._watch)

    def close(self) -> None:
        """Close the connections; whoever asks for the client then gets a new one."""
        if client := self.__dict__.pop("client", None):
            client.close()

    def _watch(self, what: str) -> None:
        if what.startswith("ask "):
            self.lease.hold()  # before anything is asked that cannot be taken back
        self.progress(what)

    def write(self, state: "Order.State", **fields: Any) -> None:
        """Store that the order is in this state now."""
        fields = {"state": state, "problem": None, "sentence": "", **fields}
        self.lease.write(**fields)
        for name, value in fields.items():
            setattr(self.order, name, value)
        event("order_step", order=self.order.pk, state=state)
        # Within a transaction it is not true yet.
        transaction.on_commit(lambda: self.progress(f"state {state}"))

    @property
    def waiting(self) -> list[Authorization]:
        """The authorizations that are still to be proven."""
        rows = Authorization.objects.filter(order=self.order).exclude(state=Authorization.State.VALID)
        return list(rows.order_by("pk"))

    def time_left(self) -> float:
        return self.deadline - time.monotonic()

    def again(self, why: str, *, seconds: float = AGAIN, until: datetime | None = None) -> Waiting:
        """Let it rest; fails where the order has taken too long."""
        now = timezone.now()
        if now > self.order.created_at + ORDER_PATIENCE:
            shown = self.order.state == State.PUBLISHING
            kind = FailureKind.NOT_SEEN if shown else FailureKind.ORDER_LOST
            minutes = ORDER_PATIENCE.seconds // 60
            raise OrderFails(Failed(kind, f"The order is not done after {minutes} minutes: {why}."))
        if self.is_too_long(until):
            sentence = f"{self.order.authority.name} does not go on before {until:%Y-%m-%d %H:%M} UTC: {why}."
            raise OrderFails(Failed(FailureKind.CA_DOWN, sentence, until))
        return Waiting(max(until or now, now + timedelta(seconds=seconds)), why)

    def is_too_long(self, until: datetime | None) -> bool:
        """Whether waiting until then is longer than an order may take: another authority may be sooner."""
        return until is not None and until > self.order.created_at + ORDER_PATIENCE

    def rest(self, seconds: float, *, until: datetime | None, why: str) -> Waiting | None:
        """Sleep before the next question, or let it rest where this turn is over before that.

        `until`: when the authority would like to be asked again (RFC 8555 section 7.5.1).
        """
        asked = (until - timezone.now()).total_seconds() if until else 0.0
        if max(seconds, asked) >= self.time_left():
            return self.again(why, until=until)
        time.sleep(max(seconds, asked))
        return None

    def sealed_key(self) -> bytes:
        return open_sealed(self.order.key, record=f"order:{self.order.pk}")


# -- the steps -------------------------------------------------------------------------------------


def start(run: Run) -> Waiting | None:
    """See that the names can be proven, and store what the certificate will be made with."""
    order = run.order
    plan = challenge_plan(enrollment=order.enrollment, names=order.names)
    found = addresses_of(plan.files)
    require_addresses(found, domain=order.enrollment.domain)
    if remark := strays(found):
        # Nothing that the edges see of it changes.
        Enrollment.objects.filter(pk=order.enrollment_id).update(problem=remark)
    _profile(run)
    key = generate_key(order.enrollment.key_type)
    request = make_request(key, order.names)
    run.write(
        State.ORDERING,
        key=seal(key, record=f"order:{order.pk}"),
        csr=request.public_bytes(Encoding.PEM).decode(),
    )
    run.untouched = True
    return None


def place(run: Run) -> Waiting | None:
    """Place the order, or find the one that a worker has placed that was killed before it stored that."""
    order = run.order
    seen = None if run.untouched else _placed_before(run)
    run.untouched = False
    if seen is None:
        seen = _place(run)
    run.write(State.ORDERED, url=seen.url, finalize_url=seen.finalize, expires_at=seen.expires)
    event(
        "order_placed",
        order=order.pk,
        domain=order.enrollment.domain.host,
        authority=order.authority.name,
        names=len(order.names),
    )
    return None


def _place(run: Run) -> OrderSeen:
    order = run.order
    replaces = order.replaces if run.client.has_renewal_info else ""
    try:
        return run.client.new_order(order.names, profile=_profile(run), replaces=replaces)
    except AuthorityProblem as problem:
        # It was replaced before, or is not the authority's own: that is no reason to go without a new one.
        refused = problem_code(problem.problem) in ("alreadyReplaced", "malformed", "conflict")
        if not replaces or not (refused or problem.status == 409):
            raise
    run.lease.write(replaces="")
    return run.client.new_order(order.names, profile=_profile(run))


def _placed_before(run: Run) -> OrderSeen | None:
    """An order of ours at the authority that no row here knows."""
    order = run.order
    known = set(
        Order.objects.filter(authority=order.authority, staging=order.staging)
        .exclude(url="")
        .values_list("url", flat=True)
    )
    unknown = [url for url in run.client.order_urls() if url not in known]
    for url in reversed(unknown[-MOST_UNKNOWN:]):
        run.lease.hold()
        seen = run.client.order(url)
        if seen.names == set(order.names) and seen.status in ("pending", "ready"):
            event("order_found", order=order.pk, authority=order.authority.name)
            return seen
    return None


def _profile(run: Run) -> str:
    authority = run.order.authority
    if authority.profile and run.client.profiles and authority.profile not in run.client.profiles:
        offered = ", ".join(sorted(run.client.profiles))
        sentence = f"{authority.name} has no profile “{authority.profile}”; it has: {offered}."
        raise OrderFails(Failed(FailureKind.ACCOUNT, sentence))
    return authority.profile if run.client.profiles else ""


def read(run: Run) -> Waiting | None:
    """Read what is to be proven, and store how each name will be."""
    order = run.order
    seen = run.client.order(order.url)
    _refuse_invalid(run, seen)
    if seen.status in ("processing", "valid"):
        run.write(State.FINALIZING)
        return None
    plan = challenge_plan(enrollment=order.enrollment, names=order.names)
    if len(seen.authorizations) > len(order.names):
        raise _strange(run, f"it wants {len(seen.authorizations):,} proofs of {len(order.names):,} names")
    rows = []
    for url in seen.authorizations:
        run.lease.hold()
        rows.append(_authorization(run, run.client.authorization(url), plan))
    with transaction.atomic():
        pending = [row for row in rows if row.state != Authorization.State.VALID]
        run.write(State.PUBLISHING if pending else State.READY)
        challenges_withdraw(order)
        Authorization.objects.filter(order=order).delete()
        for row in rows:
            row.save()
    return None


def _strange(run: Run, what: str) -> OrderFails:
    sentence = f"{run.order.authority.name} does not answer as an authority does: {what}."
    return OrderFails(Failed(FailureKind.MALFORMED, sentence))


def _authorization(run: Run, seen: AuthorizationSeen, plan: Plan) -> Authorization:
    order = run.order
    if seen.name not in {validated_name(name) for name in order.names}:
        raise _strange(run, f"{seen.name or 'a name'} was not ordered")
    row = Authorization(order=order, name=seen.name, wildcard=seen.wildcard, url=seen.url)
    if seen.status == "valid":  # proven before, and not yet forgotten
        row.state = Authorization.State.VALID
        return row
    name = seen.name if seen.name in order.names and not seen.wildcard else f"*.{seen.name}"
    kind = DNS_01 if name in plan.texts else HTTP_01
    challenge = seen.challenges.get(kind)
    if seen.status != "pending" or not challenge:
        problem = next((c.problem for c in seen.challenges.values() if c.problem), {})
        if problem:
            raise OrderFails(failure(problem, authority=order.authority.name, names=[seen.name]))
        why = f"it offers no {kind}" if seen.status == "pending" else f"its authorization is {seen.status}"
        failed = FailureKind.MALFORMED if seen.status == "pending" else FailureKind.ORDER_LOST
        sentence = f"{order.authority.name} cannot have {seen.name} proven: {why}."
        raise OrderFails(Failed(failed, sentence, names=(seen.name,)))
    row.challenge_type, row.challenge_url, row.token = kind, challenge.url, challenge.token
    row.value, row.state = challenge.value, Authorization.State.PENDING
    row.dns_name = plan.texts.get(name, "")
    return row


def publish(run: Run) -> Waiting | None:
    """Show the answers, and go on when every edge and every secondary has them."""
    waiting = run.waiting
    run.lease.hold()
    sight = challenges_show(run.order, waiting, deadline=run.deadline)
    if not sight.everywhere:
        return run.again(sight.why)
    with transaction.atomic():
        run.write(State.ANSWERING)
        ids = [row.pk for row in waiting]
        # Nothing that the edges see of them changes.
        Authorization.objects.filter(pk__in=ids).update(published_rev=sight.revision)
    return None


def answer(run: Run) -> Waiting | None:
    """Say to the authority that it can look."""
    for row in run.waiting:
        _answer(run, row)
    run.write(State.VALIDATING)
    return None


def _answer(run: Run, row: Authorization) -> None:
    run.answered.add(row.pk)
    try:
        run.client.answer(row.challenge_url)
    except AuthorityProblem as problem:
        # Answered before, by a worker that was killed then: the authorization itself says how it went.
        if problem.status >= 500 or problem.status == 429:
            raise


def validate(run: Run) -> Waiting | None:
    """Wait for what the authority finds; then take the answers back."""
    poll = FIRST_POLL
    waiting = run.waiting
    while waiting:
        retry_after = None
        for row in waiting:
            run.lease.hold()
            seen = run.client.authorization(row.url)
            retry_after = max(filter(None, (retry_after, seen.retry_after)), default=None)
            challenge = seen.challenges.get(row.challenge_type)
            if seen.status == "valid":
                Authorization.objects.filter(pk=row.pk).update(state=Authorization.State.VALID)
            elif seen.status != "pending":
                raise OrderFails(_unproven(run, seen, row))
            elif challenge and challenge.status == "pending" and row.pk not in run.answered:
                _answer(run, row)
        waiting = run.waiting
        if waiting:
            names = ", ".join(row.name for row in waiting[:3])
            why = f"{run.order.authority.name} has still to look at {names}"
            if resting := run.rest(poll, until=retry_after, why=why):
                return resting
            poll = min(poll * 1.5, MOST_POLL)
    with transaction.atomic():
        run.write(State.READY)
        challenges_withdraw(run.order)
    return None


def _unproven(run: Run, seen: AuthorizationSeen, row: Authorization) -> Failed:
    problem = next((c.problem for c in seen.challenges.values() if c.problem), {})
    name = f"*.{row.name}" if row.wildcard else row.name
    if not problem:
        sentence = f"The authorization for {name} is {seen.status or 'gone'}."
        return Failed(FailureKind.ORDER_LOST, sentence, names=(name,))
    return failure(problem, authority=run.order.authority.name, names=[name])


def finish(run: Run) -> Waiting | None:
    """Hand in the request once the authority is ready for it, and wait for the certificate."""
    poll = FIRST_POLL
    while True:
        run.lease.hold()
        seen = run.client.order(run.order.url)
        _refuse_invalid(run, seen)
        if seen.status == "valid" and seen.certificate:
            run.write(State.DOWNLOADING, certificate_url=seen.certificate)
            return None
        if seen.status == "ready":
            _finalize(run, seen)
        why = f"{run.order.authority.name} is still at work on it ({seen.status or 'no status'})"
        if resting := run.rest(poll, until=seen.retry_after, why=why):
            return resting
        poll = min(poll * 1.5, MOST_POLL)


def _finalize(run: Run, seen: OrderSeen) -> None:
    if run.order.state != State.FINALIZING:
        run.write(State.FINALIZING)
    try:
        run.client.finalize(
            seen.finalize or run.order.finalize_url, load_pem_x509_csr(run.order.csr.encode())
        )
    except AuthorityProblem as problem:
        if problem_code(problem.problem) != "orderNotReady":
            raise


def _refuse_invalid(run: Run, seen: OrderSeen) -> None:
    """End an order that the authority has ended."""
    if seen.status != "invalid":
        return
    name = run.order.authority.name
    if seen.problem:
        raise OrderFails(failure(seen.problem, authority=name, names=run.order.names))
    raise OrderFails(Failed(FailureKind.ORDER_LOST, f"{name} has given up the order, and does not say why."))


def download(run: Run) -> Waiting | None:
    """Fetch the chain, and store it with its key in one transaction."""
    order, key = run.order, run.sealed_key()
    try:
        chain = read_chain(run.client.certificate(order.certificate_url), key=key, names=order.names)
    except ValueError as error:
        sentence = f"{order.authority.name} has issued something that cannot be used: {error}."
        raise OrderFails(Failed(FailureKind.MALFORMED, sentence)) from error
    with transaction.atomic():
        certificate = _certificate(order, chain, key)
        run.write(State.DEPLOYING, certificate=certificate, key="")
    event(
        "certificate_issued",
        order=order.pk,
        domain=order.enrollment.domain.host,
        authority=order.authority.name,
        serial=chain.serial,
        until=f"{chain.not_after:%Y-%m-%dT%H:%M:%SZ}",
        staging=order.staging,
    )
    return None


def _certificate(order: Order, chain: Chain, key: bytes) -> Certificate:
    return Certificate.objects.get_or_create(
        fingerprint=chain.fingerprint,
        defaults={
            "enrollment": order.enrollment,
            "source": Certificate.Source.ACME,
            "chain": chain.pem,
            "key": seal(key, record=f"certificate:{chain.fingerprint}", ring="edges"),
            "key_type": order.enrollment.key_type,
            "names": list(chain.names),
            "not_before": chain.not_before,
            "not_after": chain.not_after,
            "serial": chain.serial,
            "issuer": chain.issuer,
            "ari_id": chain.ari_id,
            "authority": order.authority,
            "staging": order.staging,
        },
    )[0]


STEPS: dict[str, Callable[[Run], Waiting | None]] = {
    State.NEW: start,
    State.ORDERING: place,
    State.ORDERED: read,
    State.PUBLISHING: publish,
    State.ANSWERING: answer,
    State.VALIDATING: validate,
    State.READY: finish,
    State.FINALIZING: finish,
    State.DOWNLOADING: download,
}
