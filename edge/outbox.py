"""The outbox: every saved change stands in it, from its own transaction until it is in Redis."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from edge.errors import NotPublished
from edge.models import Kind, Outbox
from edge.projection import GIVE_WAY, PATIENCE, Published, Turn, publish, publishing

logger = logging.getLogger(__name__)

#: Rows read in one turn: a save waits for one turn of an import at most.
BATCH = 500
#: Domains whose purges are published in one call: each may have thousands of records.
PURGES = 20
#: Seconds until a row that failed is tried again: the first time, and at most.
RETRY_FIRST, RETRY_MOST = 5, 300


def stage(kind: str, object_ids: Sequence[int], *, force: bool = False) -> None:
    """Note that these objects' documents must be published again, and flush once this commits.

    `force` publishes them even where nothing has changed.
    """
    now = timezone.now()
    rows = Outbox.objects.bulk_create(
        [Outbox(kind=kind, object_id=pk, staged_at=now, force=force) for pk in object_ids],
        batch_size=BATCH,
    )
    # Registered at every call: a callback registered inside a savepoint is dropped with it, so
    # relying on the first one alone would lose the later ones.
    drain = _next_drain()
    drain.pks += [row.pk for row in rows]
    transaction.on_commit(drain.run, robust=True)


class _Drain:
    """Flushes once, however many changes of one transaction ask for it."""

    def __init__(self) -> None:
        self.done = False
        self.pks: list[int] = []

    def run(self) -> None:
        if self.done:
            return
        self.done = True
        try:
            flush(first=(min(self.pks, default=0), max(self.pks, default=0)))
        except NotPublished as error:
            logger.warning("saved, not yet published: %s", error)


_waiting = threading.local()


def _next_drain() -> _Drain:
    # One that a rollback kept from running serves the next transaction of this thread as well.
    drain: _Drain | None = getattr(_waiting, "drain", None)
    if drain is None or drain.done:
        drain = _waiting.drain = _Drain()
    return drain


def staged_here() -> frozenset[int]:
    """The rows that this thread has staged and not committed (and perhaps some that it has rolled back)."""
    return frozenset(_next_drain().pks)


@dataclass
class Flushed:
    """What a flush has done."""

    written: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    unfinished: int = 0
    failed: list[str] = field(default_factory=list)

    def add(self, kind: str, published: Published) -> None:
        self.written += published.written
        self.withdrawn += published.withdrawn
        self.unchanged += published.unchanged
        self.unfinished += len(published.unfinished)
        self.failed += [f"{kind} {pk}: {why}" for pk, why in published.broken.items()]


def flush(*, patience: float = PATIENCE, first: tuple[int, int] | None = None) -> Flushed:
    """Publish everything in the outbox that is due. Raises `NotPublished`; nothing is lost then.

    `first`: these rows (primary keys from, to), and of the others what fits into the same turns: a save
    does not wait for the thousands that an import has left to the scheduled job.

    A row is deleted after its document is in Redis, so a process killed in between only repeats
    itself. A row whose object cannot be rendered stays with its error and is tried again later.
    """
    total = Flushed()
    while True:
        unfinished = total.unfinished
        with publishing(patience=patience) as turn:
            rows, more = _due_rows(timezone.now(), first)
            if rows:
                _flush_rows(turn, rows, total)
        if not more and total.unfinished == unfinished:
            return total
        time.sleep(GIVE_WAY)


def _due_rows(now: datetime, first: tuple[int, int] | None) -> tuple[list[Outbox], bool]:
    """The rows of the next turn, and whether there may be more that must not be left."""
    due = Outbox.objects.filter(Q(retry_at__isnull=True) | Q(retry_at__lte=now)).order_by("pk")
    rows = list(due.filter(pk__range=first)[:BATCH]) if first else []
    more = len(rows) == BATCH
    if not more:
        rows += due.exclude(pk__in=[row.pk for row in rows])[: BATCH - len(rows)]
        more = not first and len(rows) == BATCH
    # A row that failed before is settled by a newer one of the same object.
    objects = {(row.kind, row.object_id) for row in rows}
    failed = Outbox.objects.filter(retry_at__gt=now, object_id__in={pk for _, pk in objects})
    return rows + [row for row in failed if (row.kind, row.object_id) in objects], more


def _flush_rows(turn: Turn, rows: list[Outbox], total: Flushed) -> None:
    by_kind: dict[str, list[Outbox]] = defaultdict(list)
    for row in rows:
        by_kind[row.kind].append(row)
    for kind, of_kind in by_kind.items():
        objects: dict[int, datetime] = {}
        for row in of_kind:
            objects[row.object_id] = min(row.staged_at, objects.get(row.object_id, row.staged_at))
        force = {row.object_id for row in of_kind if row.force}
        size = PURGES if kind == Kind.PURGE else BATCH
        ids = list(objects)
        for start in range(0, len(ids), size):
            some = ids[start : start + size]
            published = publish(turn, kind, {pk: objects[pk] for pk in some}, force=force)
            _settle_rows([row for row in of_kind if row.object_id in set(some)], published)
            total.add(kind, published)


def _settle_rows(rows: list[Outbox], published: Published) -> None:
    kept = published.broken.keys() | published.unfinished
    # By primary key: a row that was staged meanwhile speaks of a change that we have not read.
    Outbox.objects.filter(pk__in=[row.pk for row in rows if row.object_id not in kept]).delete()
    _postpone([row for row in rows if row.object_id in published.broken], published.broken)


def _postpone(rows: list[Outbox], reasons: dict[int, str]) -> None:
    now = timezone.now()
    for row in rows:
        row.error = reasons[row.object_id]
        row.retry_at = now + timedelta(seconds=min(RETRY_MOST, RETRY_FIRST * 2 ** min(row.attempts, 10)))
        row.attempts += 1
    Outbox.objects.bulk_update(rows, ["error", "retry_at", "attempts"], batch_size=BATCH)
