"""What can be asked and done about purges. With Redis down a purge is accepted, and waits."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from domains.models import Domain
from edge.acks import Acks, read_acks
from edge.models import Kind, Outbox, Publication, Purge, PurgeAllowance, PurgeRecord, PurgeTarget
from edge.outbox import stage
from edge.purges.allowance import take
from edge.purges.plan import PlannedPurge, purge_plan
from edge.purges.statuses import PurgeStatus, done_time, edge_answers, purge_line
from edge.revisions import current_keyspace
from nodes.models import Node

#: How long a purge matters: nothing stays in a cache for longer than 30 days.
MATTERS = timedelta(days=31)
#: A purge that was this late on some edge matters from then on.
LATE = timedelta(hours=1)
#: Characters of a note; what is over is cut off.
LONGEST_NOTE = 200
#: Rows in one statement.
BATCH = 500


def purge_request(
    *,
    domains: Sequence[Domain] = (),
    urls: Iterable[str] = (),
    prefixes: Iterable[str] = (),
    tags: Iterable[str] = (),
    everything: bool = False,
    soft: bool = False,
    by: Any = None,
    note: str = "",
) -> list[Purge]:
    """Purge something; one purge for each domain, all of them or none.

    `urls`: paths (of each of `domains`), or whole URLs with any host name of a domain. One with a query
    purges that query only, one without purges all; where a rule of the domain changes queries in cache keys,
    both purge all. `prefixes`, `tags` and `everything` are of each of `domains`. `soft`: what is purged
    is served once more while it is fetched anew. Raises `PurgeRefused` and `PurgeLimited`.
    """
    plans = purge_plan(domains=domains, urls=urls, prefixes=prefixes, tags=tags, everything=everything)
    now = timezone.now()
    with transaction.atomic():
        purges = [_purge(plan, soft=soft, by=by, note=note[:LONGEST_NOTE], now=now) for plan in plans]
        stage(Kind.PURGE, [plan.domain.pk for plan in plans])
    return purges


def _purge(plan: PlannedPurge, *, soft: bool, by: Any, note: str, now: Any) -> Purge:
    domain = plan.domain
    take(domain_id=domain.pk, host=str(domain), targets=len(plan.targets), now=now)
    # Numbered only under the lock that `take` holds: so the numbers are in the order of the commits.
    purge = Purge.objects.create(
        domain=domain,
        host=domain.host,
        scope=plan.scope,
        soft=soft,
        targets=len(plan.targets),
        summary=plan.summary,
        widened=plan.widening,
        note=note,
        requested_by=by,
        created_at=now,
    )
    PurgeTarget.objects.bulk_create(
        [PurgeTarget(purge=purge, scope=scope, name=name) for scope, name in plan.targets], batch_size=BATCH
    )
    return purge


def purge_status(*, purge: Purge) -> PurgeStatus:
    """The line of one purge, and what each serving edge says of it."""
    return purge_statuses(purges=[purge])[purge.pk]


def purge_statuses(*, purges: Iterable[Purge]) -> dict[int, PurgeStatus]:
    """The lines of these purges, by their primary keys: a few queries, one round trip to Redis."""
    asked = list(purges)
    if not asked:
        return {}
    serving = _serving()
    acks = read_acks(serving, since=_oldest(asked))
    carriers = _carriers(asked)
    queued = [purge.domain_id for purge in asked if purge.state == Purge.State.QUEUED]
    rows = Outbox.objects.filter(kind=Kind.PURGE, object_id__in=[pk for pk in queued if pk]).exclude(error="")
    errors = dict(rows.values_list("object_id", "error"))
    failure = (acks.failure or current_keyspace().drift_error.rstrip(".")) if queued else ""

    def status(purge: Purge) -> PurgeStatus:
        carrier = carriers.get(purge.domain_id or 0)
        edges = edge_answers(purge, carrier, serving, acks) if purge.rev else []
        at = done_time(purge, serving, acks)
        return purge_line(purge, edges, failure=failure, error=errors.get(purge.domain_id or 0, ""), at=at)

    return {purge.pk: status(purge) for purge in asked}


def purges_settle() -> int:
    """Note which purges every serving edge has; the number of purges that are done now."""
    orphans = Purge.objects.filter(state=Purge.State.QUEUED, domain=None)
    orphans.update(state=Purge.State.VOID, done_at=timezone.now())
    oldest = Purge.objects.filter(state=Purge.State.SENT).order_by("rev").first()
    serving = _serving()
    if not oldest or not serving:
        return 0
    acks = read_acks(serving, since=oldest.stream_id)
    positions = [acks.of(name) for name in serving]
    epoch = current_keyspace().epoch
    if acks.failure or any(ack.epoch != epoch for ack in positions):
        return 0
    everywhere = min(ack.rev for ack in positions)
    reached = Q(epoch=epoch, rev__lte=everywhere) | Q(epoch__lt=epoch)
    settled = 0
    for chunk in _chunks(Purge.objects.filter(reached, state=Purge.State.SENT)):
        carriers = _carriers(chunk)
        done = [
            purge
            for purge in chunk
            if all(
                edge.answer == "applied"
                for edge in edge_answers(purge, carriers.get(purge.domain_id or 0), serving, acks)
            )
        ]
        _settle(done, serving, acks)
        settled += len(done)
    return settled


def _settle(purges: list[Purge], serving: list[str], acks: Acks) -> None:
    now = timezone.now()
    with transaction.atomic():
        for purge in purges:
            purge.state, purge.done_by = Purge.State.DONE, len(serving)
            # Where the entry has been trimmed, now is the earliest time that is known to be true.
            purge.done_at = done_time(purge, serving, acks) or now
            if purge.published_at and purge.done_at - purge.published_at > LATE:
                _records_of(purge).update(purged_at=purge.done_at)
        Purge.objects.bulk_update(purges, ["state", "done_by", "done_at"], batch_size=BATCH)


def _records_of(purge: Purge) -> Any:
    mine = PurgeRecord.objects.filter(domain_id=purge.domain_id or 0)
    return mine.filter(Q(hard=purge.rev) | Q(soft=purge.rev))


def purges_expire() -> int:
    """Forget purges that can matter no more, and publish the domains that have had them; their number.

    One that some serving edge has not applied yet is not forgotten, however old it is.
    """
    before = timezone.now() - MATTERS
    pending = Purge.objects.filter(state=Purge.State.SENT, domain=OuterRef("domain")).filter(
        Q(rev=OuterRef("hard")) | Q(rev=OuterRef("soft"))
    )
    old = PurgeRecord.objects.filter(~Exists(pending), purged_at__lt=before)
    domain_ids = list(old.order_by().values_list("domain_id", flat=True).distinct())
    for domain_id in domain_ids:
        with transaction.atomic():
            old.filter(domain_id=domain_id).delete()
            stage(Kind.PURGE, [domain_id])
    finished = Purge.objects.filter(
        state__in=[Purge.State.DONE, Purge.State.VOID], created_at__lt=before, done_at__lt=before
    )
    while pks := list(finished.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        Purge.objects.filter(pk__in=pks).delete()
    PurgeAllowance.objects.filter(at__lt=before).delete()  # it is full again
    return len(domain_ids)


def _carriers(purges: Iterable[Purge]) -> dict[int, Publication]:
    """The newest purge document of each of their domains."""
    ids = {purge.domain_id for purge in purges if purge.domain_id}
    # A live one after those that a renaming has withdrawn.
    newest = Publication.objects.filter(kind=Kind.PURGE, object_id__in=ids).order_by("live", "rev")
    return {publication.object_id: publication for publication in newest}


def _oldest(purges: Iterable[Purge]) -> str:
    return min((p.stream_id for p in purges if p.state == Purge.State.SENT), default="", key=_time)


def _time(stream_id: str) -> int:
    return int(stream_id.partition("-")[0] or 0)


def _chunks(purges: Any) -> Iterator[list[Purge]]:
    last = 0
    while chunk := list(purges.filter(pk__gt=last).order_by("pk")[:BATCH]):
        last = chunk[-1].pk
        yield chunk


def _serving() -> list[str]:
    return list(Node.objects.serving().order_by("name").values_list("name", flat=True))
