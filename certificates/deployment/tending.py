"""What is done about deployments without being asked: they are resumed, and what edges serve is looked at."""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from alarms.models import Alarm
from alarms.services import alarm_clear, alarm_raise
from certificates.deployment import deploying
from certificates.deployment.deploying import reason_not_secured
from certificates.deployment.placeholders import LIFETIME, RENEWED_AT, placeholder_ensure
from certificates.deployment.reaching import document_reach, serving_nodes
from certificates.deployment.serving import Seen, ask, note_served, seen, targets_of
from certificates.models import Certificate, Enrollment
from domains.models import Domain

logger = logging.getLogger(__name__)

#: Alarms about domains of which some edge serves another certificate.
ALARM = "certificate_served"
#: Handshakes in one round; where there are more domains and edges, they take turns.
ROUND = 5_000
#: Seconds from one round to the next; `cirrus_site/schedule.py` says so too.
EVERY = 300
#: Deployments that are resumed at once, and placeholders that are made at once.
SOME = 200


def deployments_unfinished() -> list[int]:
    """The enrollments whose certificate is still on its way, or has never been looked for on the edges.

    Those come first that nobody has brought forward for the longest time: many that wait keep none away.
    """
    under_way = Q(candidate__isnull=False)
    unseen = Q(domain__tls=True, domain__enabled=True, current__served={})
    longest = F("deployment_at").asc(nulls_first=True)
    found = Enrollment.objects.filter(under_way | unseen).order_by(longest, "pk")
    return list(found.values_list("pk", flat=True)[:SOME])


def placeholders_ensure(*, domain_ids: Sequence[int] | None = None) -> int:
    """Make the placeholders that are missing, or end soon; how many. Of these domains also those whose names
    have changed."""
    secured = Enrollment.objects.filter(domain__tls=True)
    placeholder = Q(current__source=Certificate.Source.PLACEHOLDER)
    if domain_ids is None:
        allowed = Q(issued_at=None) | Q(domain__hsts_max_age=0)
        old = timezone.now() + LIFETIME * RENEWED_AT
        wanted = secured.filter(allowed, Q(current=None) | (placeholder & Q(current__not_after__lt=old)))
    else:
        wanted = secured.filter(Q(current=None) | placeholder, domain__in=domain_ids)
    return sum(placeholder_ensure(enrollment) for enrollment in wanted.order_by("pk")[: 10 * SOME])


def served_watch(*, now: datetime | None = None) -> dict[str, Seen]:
    """Compare what the edges serve with what they should, as far as a round goes: host → what was seen.

    A node that cannot be reached is its health's matter, and raises no alarm here; nor does one that has not
    acknowledged the newest document yet.
    """
    alarms_forget()
    nodes = serving_nodes()
    found: dict[str, Seen] = {}
    if not nodes:
        return found
    enrollments = [each for each in _of_this_round(len(nodes), now or timezone.now()) if _is_served(each)]
    targets = [targets_of(each, _current(each), nodes) for each in enrollments]
    answers = iter(ask([target for some in targets for target in some]))
    merged: dict[int, dict[str, Seen]] = {}
    opened = _opened_alarms()
    for enrollment, some in zip(enrollments, targets, strict=True):
        certificate = _current(enrollment)
        result = seen(certificate, {target.node: next(answers) for target in some})
        found[enrollment.domain.host] = result
        merged.setdefault(certificate.pk, {})[enrollment.domain.host] = result
        _settle_alarm(enrollment, result, opened)
    certificates = {each.current_id: _current(each) for each in enrollments}
    for pk, by_host in merged.items():
        note_served(certificates[pk], _together(by_host))
    return found


def alarms_forget() -> None:
    """Clear the alarms about domains that are gone, or do not serve HTTPS any more."""
    for kind in (ALARM, deploying.ALARM, deploying.UNTRIED):
        hosts = {*Alarm.objects.open().filter(kind=kind).values_list("subject", flat=True)}
        secured = Domain.objects.filter(host__in=hosts, tls=True, enabled=True)
        for host in hosts - {*secured.values_list("host", flat=True)}:
            alarm_clear(kind=kind, subject=host)


def _of_this_round(nodes: int, now: datetime) -> list[Enrollment]:
    every = Enrollment.objects.filter(domain__tls=True, domain__enabled=True, candidate=None).exclude(
        current=None
    )
    every = every.select_related("domain", "current").defer("current__chain", "current__key")
    rounds = -(-every.count() * nodes // ROUND)
    return list(_share(every, rounds, now).prefetch_related("domain__origins").order_by("pk"))


def _share(every: QuerySet[Enrollment], rounds: int, now: datetime) -> QuerySet[Enrollment]:
    """Those whose turn it is, where there are too many for one round."""
    if rounds <= 1:
        return every
    turn = int(now.timestamp()) // EVERY % rounds
    pks = [pk for pk in every.values_list("pk", flat=True) if pk % rounds == turn]
    return every.filter(pk__in=pks)


def _is_served(enrollment: Enrollment) -> bool:
    return not reason_not_secured(enrollment)


def _current(enrollment: Enrollment) -> Certificate:
    assert enrollment.current is not None  # noqa: S101  # they were asked for
    return enrollment.current


def _opened_alarms() -> set[tuple[str, str]]:
    """(kind, host) of the alarms that a look may clear: asked once, as there are mostly none."""
    kinds = (ALARM, deploying.UNTRIED)
    return {*Alarm.objects.open().filter(kind__in=kinds).values_list("kind", "subject")}


def _settle_alarm(enrollment: Enrollment, found: Seen, opened: Collection[tuple[str, str]]) -> None:
    host = enrollment.domain.host
    wrong = {name: why for name, why in found.wrong.items() if found.by_node[name].reached}
    if wrong:
        # Only now: mostly nothing is wrong, and this asks SQL and Redis.
        applied = document_reach(enrollment.domain_id, [*wrong]).applied
        wrong = {name: why for name, why in wrong.items() if name in applied}
    # Read once more: while the handshakes were made, another certificate may have taken its place.
    if not wrong or not Enrollment.objects.filter(pk=enrollment.pk, current=enrollment.current).exists():
        if not wrong and (ALARM, host) in opened:
            alarm_clear(kind=ALARM, subject=host)
        if not found.wrong and (deploying.UNTRIED, host) in opened:
            alarm_clear(kind=deploying.UNTRIED, subject=host)
        return
    listed = "; ".join(f"{name}: {why}" for name, why in [*wrong.items()][:5])
    alarm_raise(
        kind=ALARM,
        subject=host,
        sentence=f"Not every edge serves the certificate of {host} ({found.sentence}): {listed}. Look at the "
        "error log of the edge; publishing the domain again brings its documents back.",
        severity=Alarm.Severity.CRITICAL,
    )


def _together(by_host: dict[str, Seen]) -> Seen:
    """What was seen of one certificate that several domains have: what is wrong with any of them counts."""
    first = next(iter(by_host.values()))
    if len(by_host) == 1:
        return first
    wrong = {name: f"{host}: {why}" for host, each in by_host.items() for name, why in each.wrong.items()}
    return Seen(first.by_node, wrong)
