"""The only writer of configuration to Redis.

`stage` notes a change in the outbox, in the caller's transaction. `flush` publishes what is noted:
it takes revisions, renders the documents from SQL, writes each with its index and stream entry in
one atomic script, and records that in `Publication`. One process flushes at a time (a lock in
Redis), so entries stand in the stream in the order of their revisions; the script refuses an older
revision all the same, should the lock ever expire under a stalled process.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from edge import keyspace
from edge.errors import FlushBusy, RedisUnreachable
from edge.models import Outbox, Publication
from edge.rendering import Rendered, render
from edge.revisions import current_keyspace, take_revisions
from edge.store import reaching_redis

logger = logging.getLogger(__name__)

#: Outbox rows read, and documents written, in one go: a few milliseconds of Redis's time.
BATCH = 500
#: Documents in one call of the write script.
WRITE = 100
#: Seconds that a save waits for another process that is publishing.
PATIENCE = 2.0


# -- staging --------------------------------------------------------------------------------------


def stage(kind: str, object_ids: Sequence[int]) -> None:
    """Note that these objects' documents must be published again, and flush once this commits.

    `on_commit` is registered at every call: a callback registered inside a savepoint is dropped with
    it, so relying on the first one alone would lose the later ones.
    """
    now = timezone.now()
    Outbox.objects.bulk_create(
        [Outbox(kind=kind, object_id=pk, staged_at=now) for pk in object_ids], batch_size=BATCH
    )
    transaction.on_commit(_flush_after_commit, robust=True)


def _flush_after_commit() -> None:
    # Of all callbacks of one transaction the first drains the outbox, the others find it empty.
    if connection.in_atomic_block or not Outbox.objects.exists():
        return
    try:
        flush()
    except (RedisUnreachable, FlushBusy) as error:
        logger.warning("saved, not yet published: %s", error)


# -- publishing -----------------------------------------------------------------------------------


@dataclass
class Flushed:
    """What a flush has done."""

    published: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    failed: list[str] = field(default_factory=list)


def flush(*, patience: float = PATIENCE) -> Flushed:
    """Publish everything in the outbox. Raises `RedisUnreachable` or `FlushBusy`; nothing is lost."""
    result = Flushed()
    while True:
        # The lock is given up between batches, so that a save is not queued behind an import.
        with publishing(patience=patience):
            rows = list(Outbox.objects.filter(error="").order_by("pk")[:BATCH])
            if not rows:
                return result
            _flush_rows(rows, result)


def _flush_rows(rows: list[Outbox], result: Flushed) -> None:
    staged: dict[str, dict[int, datetime]] = defaultdict(dict)
    for row in rows:
        staged[row.kind].setdefault(row.object_id, row.staged_at)
    for kind, objects in staged.items():
        try:
            publish(kind, objects, result)
        except (RedisUnreachable, FlushBusy):
            raise
        except Exception as error:  # one bad object must not hold up the others
            if len(objects) == 1:
                logger.exception("cannot publish %s %s", kind, next(iter(objects)))
                result.failed.append(f"{kind} {next(iter(objects))}: {error}")
                Outbox.objects.filter(pk__in=[row.pk for row in rows if row.kind == kind]).update(
                    error=f"{type(error).__name__}: {error}"
                )
                continue
            for object_id in objects:
                _flush_rows([row for row in rows if (row.kind, row.object_id) == (kind, object_id)], result)
            continue
        Outbox.objects.filter(pk__in=[row.pk for row in rows if row.kind == kind]).delete()


def publish(
    kind: str,
    objects: dict[int, datetime],
    result: Flushed,
    *,
    even_unchanged: bool = False,
) -> None:
    """Bring these objects' documents in Redis up to date; the caller holds the lock (`publishing`).

    `objects`: primary key → when its change was saved. An object that no longer exists, or that must
    not be on the edges, is withdrawn; so is the old key of a renamed one. A document that is published
    already, to the letter, gets no new revision unless `even_unchanged`.
    """
    previous = list(Publication.objects.filter(kind=kind, object_id__in=objects))
    epoch, first = take_revisions(len(objects) + len(previous))  # before rendering: see there
    revisions = iter(range(first, first + len(objects) + len(previous)))
    rendered = render(kind, objects)
    known = {p.key: p for p in Publication.objects.filter(kind=kind, key__in=_keys(rendered))}
    writes: list[Write] = []
    for document in rendered.values():
        was = known.get(document.key)
        same = was and was.live and was.digest == document.digest and was.epoch == epoch
        if same and was and was.object_id == document.object_id and not even_unchanged:
            result.unchanged += 1
        else:
            rev = next(revisions)
            text = document.text(epoch=epoch, rev=rev)
            saved_at = objects[document.object_id]
            writes.append(Write(document.key, document.object_id, rev, text, document.digest, saved_at))
    claimed = set(_keys(rendered))
    for was in previous:
        if was.live and was.key not in claimed:
            writes.append(Write(was.key, was.object_id, next(revisions), "", "", objects[was.object_id]))
    write(kind, epoch, writes)
    result.published += sum(1 for item in writes if item.text)
    result.withdrawn += sum(1 for item in writes if not item.text)


def _keys(rendered: dict[int, Rendered]) -> list[str]:
    return [document.key for document in rendered.values()]


@dataclass(frozen=True)
class Write:
    """One document to write; an empty `text` withdraws it."""

    key: str
    object_id: int
    rev: int
    text: str
    digest: str
    saved_at: datetime


def write(kind: str, epoch: int, writes: Sequence[Write]) -> None:
    """Write documents to Redis and record them; the caller holds the lock.

    Additions come before withdrawals, so that a host that moves from one domain to another is
    never without one.
    """
    ordered = sorted(writes, key=lambda item: (item.text == "", item.rev))
    for start in range(0, len(ordered), WRITE):
        chunk = ordered[start : start + WRITE]
        keys = [
            keyspace.META,
            keyspace.CHANGES,
            keyspace.index_key(kind),
            keyspace.gone_key(kind),
            *(keyspace.document_key(kind, item.key) for item in chunk),
        ]
        arguments: list[Any] = [kind, epoch, settings.CIRRUS.changes_length, keyspace.NOTIFY]
        for item in chunk:
            arguments += [item.key, item.rev, item.text]
        with reaching_redis() as client:
            stream_ids = _write_script()(keys=keys, args=arguments, client=client)
        _record(kind, epoch, [(i, s) for i, s in zip(chunk, stream_ids, strict=True) if s])


@lru_cache(maxsize=1)
def _write_script() -> Any:
    text = Path(__file__).with_name("write_documents.lua").read_text()
    return redis.Redis().register_script(text)


def _record(kind: str, epoch: int, written: Sequence[tuple[Write, str]]) -> None:
    now = timezone.now()
    Publication.objects.bulk_create(
        [
            Publication(
                kind=kind,
                key=item.key,
                object_id=item.object_id,
                epoch=epoch,
                rev=item.rev,
                live=bool(item.text),
                digest=item.digest,
                saved_at=item.saved_at,
                published_at=now,
                stream_id=stream_id,
            )
            for item, stream_id in written
        ],
        update_conflicts=True,
        unique_fields=["kind", "key"],
        update_fields=[
            "object_id",
            "epoch",
            "rev",
            "live",
            "digest",
            "saved_at",
            "published_at",
            "stream_id",
            "applied_at",
            "applied_by",
        ],
    )


@contextmanager
def publishing(*, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the one right to publish; announce the epoch if Redis has none yet."""
    with reaching_redis() as client:
        lock = client.lock(keyspace.FLUSH_LOCK, timeout=30, sleep=0.005, blocking_timeout=patience)
        if not lock.acquire():
            raise FlushBusy
        try:
            client.hsetnx(keyspace.META, keyspace.META_EPOCH, current_keyspace().epoch)
            yield
        finally:
            try:
                lock.release()
            except redis.exceptions.LockError:
                logger.warning("the publishing lock had expired; revisions kept the order")
