"""What can be asked and done about the edges. Every answer holds with Redis down: it says so then."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from edge.acks import Acks, read_acks
from edge.errors import NotPublished
from edge.holding import held_since
from edge.models import Kind, Outbox, Publication
from edge.outbox import flush, stage
from edge.projection import publishing
from edge.rendering import reasons_withheld
from edge.revisions import current_keyspace
from edge.statuses import (
    PublicationStatus,
    applied_time,
    held_status,
    live_status,
    reached,
    waiting_status,
    withdrawn_status,
)
from nodes.models import Node

logger = logging.getLogger(__name__)

#: Publications whose times are noted in one go.
SETTLE = 500
#: Seconds that a build of zones waits for its turn to note what it answers: no longer, since a node that is
#: down waits to leave the DNS meanwhile.
ANSWER_PATIENCE = 1.0


@dataclass(frozen=True)
class EdgeState:
    """What an edge says of itself, and what we make of it; `failure`: why we do not know it now."""

    node: Node
    serving: bool
    heard: bool
    heard_at: datetime | None
    epoch: int
    rev: int
    behind: int
    state: str
    config_errors: int
    refusals: dict[str, dict[str, Any]]
    orphans: int
    orphan_names: list[str]
    version: str
    skew: float
    domains: int
    failure: str = ""


@dataclass(frozen=True)
class EdgeChange:
    """One edge's answer to one change."""

    node: str
    answer: Literal["applied", "pending", "refused", "unknown"]
    why: str = ""


@dataclass(frozen=True)
class ChangeStatus:
    """Who has applied change N. `publication` is None where a newer change has overtaken it."""

    rev: int
    given: bool
    publication: Publication | None
    edges: list[EdgeChange]


def edge_states() -> list[EdgeState]:
    """One for each node that is an edge, by name. With Redis down none of them is heard."""
    nodes = list(Node.objects.filter(is_edge=True).select_related("region").order_by("name"))
    serving = set(_serving())
    acks = read_acks(node.name for node in nodes)
    newer = {
        f"newer_than_{node.pk}": Count("pk", filter=~Q(epoch=ack.epoch) | Q(rev__gt=ack.rev))
        for node in nodes
        for ack in [acks.of(node.name)]
    }
    behind = Publication.objects.aggregate(**newer) if newer else {}
    now = timezone.now()
    return [
        EdgeState(
            node=node,
            serving=node.name in serving,
            heard=ack.heard,
            heard_at=None if ack.age is None else now - timedelta(seconds=ack.age),
            epoch=ack.epoch,
            rev=ack.rev,
            behind=behind[f"newer_than_{node.pk}"],
            state=ack.state,
            config_errors=ack.config_errors,
            refusals=dict(ack.refusals),
            orphans=ack.orphans,
            orphan_names=ack.orphan_names,
            version=ack.version,
            skew=ack.skew,
            domains=ack.domains,
            failure=acks.failure,
        )
        for node in nodes
        for ack in [acks.of(node.name)]
    ]


def publication_status(*, kind: str, object_id: int) -> PublicationStatus:
    """The line of one object."""
    return publication_statuses(kind=kind, object_ids=[object_id])[object_id]


def publication_statuses(*, kind: str, object_ids: Iterable[int]) -> dict[int, PublicationStatus]:
    """The line of each of these objects: a constant number of queries, one round trip to Redis."""
    ids = list(object_ids)
    waiting: dict[int, list[Outbox]] = {}
    for row in Outbox.objects.filter(kind=kind, object_id__in=ids).order_by("pk"):
        waiting.setdefault(row.object_id, []).append(row)
    # The newest of an object last, and a live one after those that a renaming has withdrawn.
    published = {
        publication.object_id: publication
        for publication in Publication.objects.filter(kind=kind, object_id__in=ids).order_by("live", "rev")
    }
    unpublished = [pk for pk in ids if not (p := published.get(pk)) or not p.live or p.held]
    reasons = reasons_withheld(kind, unpublished) if unpublished else {}
    serving = _serving()
    unsettled = [p.stream_id for p in published.values() if p.applied_at is None]
    acks = read_acks(serving, since=min(unsettled, default=""))

    failure = acks.failure or (current_keyspace().drift_error if waiting else "")

    def status(pk: int) -> PublicationStatus:
        publication = published.get(pk)
        if rows := waiting.get(pk):
            return _staged_status(rows, failure)
        if publication and publication.held and (why := reasons.get(pk, "deleted")):
            return held_status(publication, serving, reason=why)
        if publication and publication.live:
            return live_status(publication, serving, acks)
        reason = reasons.get(pk, "deleted")
        if publication and reason:
            return withdrawn_status(publication, serving, acks, reason=reason)
        if reason:
            return PublicationStatus("off", f"not on the edges: {reason}", None, 0, len(serving))
        sentence = "not published yet; the next comparison with the edges' keyspace does it"
        return PublicationStatus("pending", sentence, None, 0, len(serving))

    return {pk: status(pk) for pk in ids}


def _staged_status(rows: list[Outbox], failure: str) -> PublicationStatus:
    if error := next((row.error for row in rows if row.error), ""):
        return PublicationStatus("refused", f"cannot be published: {error}")
    return waiting_status(since=min(row.staged_at for row in rows), failure=failure.rstrip("."))


def change_status(*, rev: int) -> ChangeStatus:
    """Who has applied change `rev` of this epoch. One that was overtaken counts as applied by an edge
    that has gone past it."""
    counters = current_keyspace()
    publication = Publication.objects.filter(rev=rev).first()
    asked = publication or Publication(epoch=counters.epoch, rev=rev)
    serving = _serving()
    acks = read_acks(serving)
    far = reached(asked, serving, acks)
    pending: Literal["pending", "unknown"] = "unknown" if acks.failure else "pending"
    return ChangeStatus(
        rev=rev,
        given=rev <= counters.revision,
        publication=publication,
        edges=[
            *(EdgeChange(name, "applied") for name in far.applied),
            *(EdgeChange(name, "refused", why) for name, why in far.refused.items()),
            *(EdgeChange(name, pending, acks.failure) for name in far.waiting),
        ],
    )


def objects_republish(*, kind: str, object_ids: Iterable[int]) -> None:
    """Publish these objects again under new revisions, even if nothing about them has changed."""
    stage(Kind(kind), list(object_ids), force=True)


def outbox_retry(*, ids: Iterable[int]) -> None:
    """Try these rows of the outbox again now; with Redis down they go on waiting."""
    Outbox.objects.filter(pk__in=list(ids)).update(retry_at=None)
    try:
        flush()
    except NotPublished:
        return  # their line says why


def domains_answer(*, domain_ids: Iterable[int]) -> set[int]:
    """Note that DNS is about to give these domains' names to clients: from now on they leave there first.

    Those that may be answered: the edges have (or are getting) their documents. While documents cannot be
    published (or many are), those that were not answered before are not among them: they are asked again.
    """
    wanted = set(domain_ids)
    live = Publication.objects.filter(kind=Kind.DOMAIN, live=True)
    known = {*live.filter(answered=True).values_list("object_id", flat=True)}
    new = sorted(wanted - known)
    for start in range(0, len(new), SETTLE):
        some = new[start : start + SETTLE]
        try:
            # Nobody withdraws a document while we note this; whoever does so later, sees it.
            with publishing(patience=ANSWER_PATIENCE):
                rows = live.filter(object_id__in=some)
                known |= {*rows.values_list("object_id", flat=True)}
                rows.update(answered=True)
        except NotPublished as error:
            logger.warning("%d new domains are not answered yet: %s", len(new) - start, error)
            break
    return wanted & known


def names_leaving() -> list[Publication]:
    """The publications that hold names for clients of old answers, the longest held first."""
    held = Publication.objects.filter(kind=Kind.DOMAIN, live=True, held_since__isnull=False)
    return list(held.order_by("held_since", "pk"))


def names_leave_at(*, publication: Publication, at: datetime | None) -> None:
    """Note when the last answer of DNS with these names will have expired."""
    if publication.leave_at != at:
        Publication.objects.filter(pk=publication.pk, rev=publication.rev).update(leave_at=at)


def names_release(*, publication: Publication, names: Iterable[str]) -> None:
    """No client has an answer of DNS with these names any more: the edges may forget them.

    Does nothing where the publication has become another one meanwhile.
    """
    gone = set(names)
    with transaction.atomic():
        current = Publication.objects.select_for_update().filter(pk=publication.pk, live=True).first()
        if not current or current.object_id != publication.object_id:
            return
        gone = {name for name in gone if current.leaving.get(name) == publication.leaving.get(name)}
        current.leaving = {name: at for name, at in current.leaving.items() if name not in gone}
        # Else the next publication would find them lost once more.
        current.alias_revs = {name: rev for name, rev in current.alias_revs.items() if name not in gone}
        current.held_since, current.leave_at = held_since(current.leaving), None
        if current.key in gone:
            current.answered = False  # the whole document
        current.save(update_fields=["leaving", "held_since", "leave_at", "answered", "alias_revs"])
        stage(current.kind, [current.object_id])


def publications_settle() -> int:
    """Note when the serving edges had applied what all of them have; the number of publications.

    Edges keep only their last acknowledgements, so this runs often.
    """
    serving = _serving()
    counters = current_keyspace()
    oldest = Publication.objects.filter(applied_at=None).order_by("rev").first()
    if not serving or not oldest:
        return 0
    acks = read_acks(serving, since=oldest.stream_id)
    positions = [acks.of(name) for name in serving]
    if acks.failure or any(ack.epoch != counters.epoch for ack in positions):
        return 0
    everywhere = min(ack.rev for ack in positions)
    applied = Publication.objects.filter(applied_at=None, epoch=counters.epoch, rev__lte=everywhere)
    settled, last = 0, 0
    while chunk := list(applied.filter(rev__gt=last).order_by("rev")[:SETTLE]):
        last = chunk[-1].rev
        settled += _settle([p for p in chunk if not reached(p, serving, acks).refused], serving, acks)
    return settled


def _settle(publications: list[Publication], serving: list[str], acks: Acks) -> int:
    now = timezone.now()
    with transaction.atomic():
        for publication in publications:
            # Where the entry has been trimmed, now is the earliest time that is known to be true.
            applied_at = applied_time(publication, serving, acks) or now
            # Guarded by the revision: what has been published again meanwhile is another change.
            Publication.objects.filter(pk=publication.pk, rev=publication.rev).update(
                applied_at=applied_at, applied_by=len(serving)
            )
    return len(publications)


def _serving() -> list[str]:
    return list(Node.objects.serving().order_by("name").values_list("name", flat=True))
