"""Answering challenges: which kind, where, whether everybody sees the answer, and taking it back."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone

from certificates.issuance.client import DNS_01, HTTP_01
from certificates.issuance.delegation import Delegation, proven_at
from certificates.issuance.errors import OrderFails
from certificates.issuance.events import event
from certificates.issuance.names import validated_name
from certificates.issuance.outcomes import Failed, FailureKind
from certificates.models import Authorization, Enrollment, Order
from dnszones.errors import BuildBusy, ChallengeRefused, NotInSync, ZoneRefused
from dnszones.models import Challenge, Zone
from dnszones.services import challenge_publish, challenge_withdraw, zone_wait
from edge.errors import NotPublished
from edge.models import Kind, Outbox
from edge.outbox import flush
from edge.services import publication_status

#: Seconds between two looks whether the edges have a challenge, and until a busy build is tried again.
POLL, BUSY_POLL = 0.05, 0.25
#: TXT records of challenges that no order knows are left alone for so long: somebody may be at work.
LEFTOVER = timedelta(days=1)


@dataclass(frozen=True)
class Plan:
    """How each name of an order is proven. `texts`: name → where its TXT record is written, for DNS-01;
    `files`: the names that the edges prove, by HTTP-01."""

    texts: dict[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()


def challenge_plan(*, enrollment: Enrollment, names: Iterable[str]) -> Plan:
    """Choose the kind of challenge for each name of an order.

    Raises `OrderFails` with what is missing where one cannot be proven that way: before anybody is asked.
    """
    wanted = list(names)
    wildcards = {name for name in wanted if name.startswith("*.")}
    chosen = str(enrollment.challenge)
    if chosen == HTTP_01:
        if wildcards:
            raise _cannot(
                f"{min(wildcards)} is a wildcard, which only DNS-01 proves (RFC 8555 section 7.1.3): choose "
                "automatic, so that the other names are proven by the edges all the same."
            )
        return Plan(files=tuple(wanted))
    found = proven_at(enrollment.domain, wanted)
    lacking = [name for name in wanted if not found[validated_name(name)].found]
    if needed := [name for name in lacking if chosen == DNS_01 or name in wildcards]:
        missing = [found[name] for name in dict.fromkeys(map(validated_name, needed))]
        raise _cannot(_explained(missing), missing)
    if lacking and not wildcards:  # they need one kind only: that of the edges
        return Plan(files=tuple(wanted))
    texts = {name: found[validated_name(name)].target for name in wanted if name not in lacking}
    return Plan(texts, tuple(lacking))


def _explained(missing: list[Delegation]) -> str:
    more = f" ({len(missing) - 3} more names wait for theirs.)" if len(missing) > 3 else ""
    return " ".join(each.sentence for each in missing[:3]) + more


def _cannot(sentence: str, missing: Iterable[Delegation] = ()) -> OrderFails:
    names = tuple(each.name for each in missing)
    return OrderFails(Failed(FailureKind.CHALLENGE, sentence, names=names))


# -- seen everywhere -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sight:
    """Whether the answers are seen everywhere; `why`: half a sentence on who does not see one."""

    everywhere: bool
    why: str = ""
    revision: int | None = None


def challenges_show(order: Order, waiting: list[Authorization], *, deadline: float) -> Sight:
    """Have the answers to these authorizations seen by all edges and secondaries; until `deadline`.

    `deadline` is on the clock of `time.monotonic`. Raises `OrderFails` where that can never be.
    """
    texts = [each for each in waiting if each.challenge_type == DNS_01]
    sight = _show_texts(texts, deadline) if texts else Sight(True)
    if sight.everywhere and len(texts) < len(waiting):
        return _show_files(order, deadline)
    return sight


def _show_texts(texts: list[Authorization], deadline: float) -> Sight:
    try:
        zones = {challenge_publish(name=each.dns_name, value=each.value) for each in texts}
    except ChallengeRefused as error:
        raise _cannot(str(error)) from error
    for zone in zones:
        sight = _zone_seen(zone, deadline)
        if not sight.everywhere:
            return sight
    return Sight(True)


def _zone_seen(zone: Zone, deadline: float) -> Sight:
    while True:
        left = deadline - time.monotonic()
        try:
            zone_wait(zone=zone, timeout=max(left, 1.0))
            return Sight(True)
        except BuildBusy as error:
            why = str(error)
        except (NotInSync, ZoneRefused, NotPublished) as error:
            return Sight(False, _half(str(error)))
        if left <= 0:
            return Sight(False, _half(why))
        time.sleep(BUSY_POLL)


def _show_files(order: Order, deadline: float) -> Sight:
    """The document of the challenges is published as its rows are saved; here it is waited for."""
    domain_id = order.enrollment.domain_id
    staged = Outbox.objects.filter(kind=Kind.CHALLENGE, object_id=domain_id).aggregate(
        first=Min("pk"), last=Max("pk")
    )
    if staged["first"]:  # the worker that saved them was killed before it could publish them
        try:
            flush(first=(staged["first"], staged["last"]))
        except NotPublished as error:
            return Sight(False, _half(str(error)))
    while True:
        status = publication_status(kind=Kind.CHALLENGE, object_id=domain_id)
        if status.tone == "ok":
            return Sight(True, "", status.rev)
        if time.monotonic() >= deadline:
            return Sight(False, f"the challenge is {status.sentence}")
        time.sleep(POLL)


def _half(sentence: str) -> str:
    return sentence.rstrip(".")[:1].lower() + sentence.rstrip(".")[1:]


# -- taking back -----------------------------------------------------------------------------------


@transaction.atomic
def challenges_withdraw(order: Order) -> int:
    """Take back every answer of the order; their number. Doing it twice does no harm."""
    shown = list(Authorization.objects.filter(order=order).exclude(value=""))
    for each in shown:
        if each.challenge_type == DNS_01 and each.dns_name:
            challenge_withdraw(name=each.dns_name, value=each.value)
        each.value = each.token = ""
        each.save()  # so that the edges' document is made again without it
    return len(shown)


def challenges_sweep() -> int:
    """Take back what killed workers and deleted domains have left behind; the number of answers."""
    swept = 0
    ended = Order.objects.filter(ended_at__isnull=False, authorizations__value__gt="").distinct()
    for order in ended:
        swept += challenges_withdraw(order)
    shown = Authorization.objects.exclude(dns_name="").exclude(value="")
    known = set(shown.values_list("dns_name", "value"))
    old = Challenge.objects.filter(created_at__lt=timezone.now() - LEFTOVER).select_related("zone")
    for challenge in old:
        if (f"{challenge.name}.{challenge.zone.apex}", challenge.value) not in known:
            challenge.delete()
            swept += 1
    if swept:
        event("challenges_swept", answers=swept)
    return swept
