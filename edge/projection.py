"""The only writer of configuration to Redis.

Whoever publishes holds a lock (`publishing`), takes revisions, renders from SQL, and writes each
document with its index and stream entry in one atomic script, which checks the lock again: so
entries stand in the stream in the order of their revisions, and a process that stalled until its
lock expired writes nothing. What was written is recorded in `Publication`.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from edge import keyspace
from edge.errors import PublishingBusy, RedisForgot, RedisIsAhead
from edge.holding import (
    COMPANIONS,
    held_since,
    keep,
    note_lost_names,
    note_returned,
    withdrawable,
    without_domain,
)
from edge.lineage import NOWHERE, Lineage, read_standing
from edge.models import Kind, Publication
from edge.purges.document import News
from edge.rendering import Rendered, Rendering, existing, render, render_keys
from edge.revisions import current_keyspace, take_revisions
from edge.store import reaching_redis

logger = logging.getLogger(__name__)

#: Documents in one call of the script: a millisecond or two in which Redis serves nobody else.
WRITE = 100
#: Seconds that a save waits for another process that is publishing.
PATIENCE = 1.0
#: Seconds after which the lock of a process that was killed is free again; a turn takes far less.
LOCK_TIME = 10
#: Seconds between two attempts at the lock, and the pause that a long job leaves for them.
LOCK_POLL, GIVE_WAY = 0.005, 0.015

SCRIPT = Path(__file__).with_name("write_documents.lua").read_text()

RECORDED_FIELDS = [
    *("object_id", "epoch", "rev", "live", "digest", "saved_at", "published_at", "stream_id"),
    *("applied_at", "applied_by"),  # nobody has applied the new revision yet
    *("since_rev", "alias_revs", "answered", "leaving", "held_since", "leave_at"),
]


@dataclass(frozen=True)
class Turn:
    """The right to publish, for as long as Redis holds this token."""

    token: str


@dataclass
class Published:
    """What publishing some objects came to.

    `unfinished`: they have more to tell, in another turn. `kept`: they have a document that is to go after
    their domain's.
    """

    written: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    broken: dict[int, str] = field(default_factory=dict)
    unfinished: set[int] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Write:
    """One document to write; an empty `text` withdraws it."""

    key: str
    object_id: int
    rev: int
    saved_at: datetime
    text: str = ""
    digest: str = ""
    news: News | None = None
    aliases: tuple[str, ...] = ()
    leaving: Mapping[str, float] = field(default_factory=dict)


@contextmanager
def publishing(*, patience: float = PATIENCE, repairing: bool = False) -> Iterator[Turn]:
    """Hold the one right to publish.

    Raises `RedisUnreachable`, `PublishingBusy`, and, unless `repairing`, `RedisForgot` or
    `RedisIsAhead`: writing a single document to a Redis that lost the others would hide the loss.
    """
    with reaching_redis() as client:
        lock = client.lock(
            keyspace.PUBLISH_LOCK, timeout=LOCK_TIME, sleep=LOCK_POLL, blocking_timeout=patience
        )
        if not lock.acquire():
            raise PublishingBusy
        try:
            turn = Turn(lock.local.token.decode())
            if not repairing:
                _require_one_story(turn)
            yield turn
        finally:
            try:
                lock.release()
            except redis.exceptions.LockError:
                logger.warning("the publishing lock expired; nothing was written after that")


def _require_one_story(turn: Turn) -> None:
    standing = read_standing()
    if standing.lineage is Lineage.FORGOT:
        raise RedisForgot
    if standing.lineage is Lineage.AHEAD:
        raise RedisIsAhead
    if standing.redis == NOWHERE:
        restore_meta(turn)


def publish(
    turn: Turn,
    kind: str,
    objects: Mapping[int, datetime],
    *,
    force: Collection[int] = (),
    companions: bool = True,
) -> Published:
    """Bring these objects' documents in Redis up to date.

    `objects`: primary key → when its change was saved. An object that no longer exists, or that must
    not be on the edges, is withdrawn; so is the old key of a renamed one. A document that is published
    already, to the letter, gets no new revision unless its object is in `force`. One that cannot be
    rendered keeps what is published of it and is reported in `broken`.

    The purges, challenges and certificate of a domain are there before its document is, and go after it;
    who sees to that for all domains together says so (`companions`).
    """
    if kind != Kind.DOMAIN or not companions:
        return _publish(turn, kind, objects, force)
    later: dict[str, dict[int, datetime]] = {}
    for companion, some in _companions(objects):
        if some:
            result = _publish(turn, companion, some, (), before_domain=True)
            later[companion] = {pk: objects[pk] for pk in result.kept}
    result = _publish(turn, kind, objects, force)
    for companion, kept in later.items():
        if kept:
            _publish(turn, companion, kept, ())
    return result


def _companions(objects: Mapping[int, datetime]) -> Iterator[tuple[str, dict[int, datetime]]]:
    """Each kind of companion, with those of the domains that have a document of it, or should have one."""
    published = Publication.objects.filter(kind__in=COMPANIONS, live=True, object_id__in=objects)
    known = set(published.values_list("kind", "object_id"))
    for kind in COMPANIONS:
        wanted = existing(kind, objects)
        yield kind, {pk: objects[pk] for pk in objects if pk in wanted or (kind, pk) in known}


def _publish(
    turn: Turn,
    kind: str,
    objects: Mapping[int, datetime],
    force: Collection[int],
    *,
    before_domain: bool = False,
) -> Published:
    before = list(Publication.objects.filter(kind=kind, object_id__in=objects, live=True))
    # Each object and each key it leaves is one write at most.
    epoch, revision = take_revisions(len(objects) + len(before))
    note_lost_names(before)
    rendering = render(kind, objects, news=True)
    result = Published(broken=rendering.broken)
    leaving = [was for was in before if was.key not in rendering.keys and was.object_id not in result.broken]
    if kind in COMPANIONS:
        free = without_domain(leaving) if before_domain else withdrawable(kind, leaving)
        result.kept = {was.object_id for was in leaving} - {was.object_id for was in free}
        leaving = free
    heirs = render_keys(kind, [was.key for was in leaving]) if leaving else Rendering()
    leaving = keep(leaving, rendered=rendering.documents, heirs=heirs.keys)
    note_returned(before, {pk: document.held for pk, document in rendering.documents.items()})

    now = timezone.now()
    writes: list[Write] = []
    changed, result.unchanged = _changed(kind, epoch, [*rendering.documents.values()], force)
    for rendered in [*changed, *heirs.documents.values()]:
        rev = revision + len(writes)
        document = rendered.under(rev)
        text, saved_at = document.text(epoch=epoch, rev=rev), objects.get(document.object_id, now)
        writes.append(
            Write(
                document.key,
                document.object_id,
                rev,
                saved_at,
                text,
                document.digest,
                document.news,
                tuple(document.body.get("aliases", ())),
                document.held,
            )
        )
        if document.news and document.news.more:
            result.unfinished.add(document.object_id)
    result.written = len(writes)
    # Withdrawals come last: a host that moves from one domain to another is never without one.
    for was in leaving:
        if was.key not in heirs.keys:
            writes.append(Write(was.key, was.object_id, revision + len(writes), objects[was.object_id]))
    result.withdrawn = len(writes) - result.written
    write(turn, kind, epoch, writes)
    return result


def _changed(
    kind: str, epoch: int, documents: list[Rendered], force: Collection[int]
) -> tuple[list[Rendered], int]:
    """Those that are not published yet as they are, and how many are."""
    keys = [document.key for document in documents]
    published = {
        (was.key, was.object_id, was.digest, was.epoch)
        for was in Publication.objects.filter(kind=kind, key__in=keys, live=True)
    }
    changed = [
        document
        for document in documents
        if document.news
        or document.object_id in force
        or (document.key, document.object_id, document.digest, epoch) not in published
    ]
    return changed, len(documents) - len(changed)


def withdraw(turn: Turn, kind: str, keys: Iterable[str]) -> int:
    """Withdraw these keys, whether or not we know them; the number of withdrawals.

    A key that an object has by now, rightfully, stays.
    """
    wanted = set(keys)
    epoch, revision = take_revisions(len(wanted))
    gone = sorted(wanted - render_keys(kind, wanted).keys)
    owners = dict(Publication.objects.filter(kind=kind, key__in=gone).values_list("key", "object_id"))
    now = timezone.now()
    writes = [Write(key, owners.get(key, 0), revision + n, now) for n, key in enumerate(gone)]
    write(turn, kind, epoch, writes)
    return len(writes)


def write(turn: Turn, kind: str, epoch: int, writes: Sequence[Write]) -> None:
    """Write documents, in the order of their revisions, and record them.

    Raises `PublishingBusy` where the turn is over and `RedisIsAhead` where Redis knows better; what
    was written until then is recorded.
    """
    for start in range(0, len(writes), WRITE):
        chunk = writes[start : start + WRITE]
        with reaching_redis() as client:
            keys, arguments = _script_input(turn, kind, epoch, chunk)
            stream_ids = client.register_script(SCRIPT)(keys=keys, args=arguments)
        if stream_ids is None:
            raise PublishingBusy
        _record(kind, epoch, [(item, s) for item, s in zip(chunk, stream_ids, strict=True) if s])
        if not all(stream_ids):
            raise RedisIsAhead


def _script_input(turn: Turn, kind: str, epoch: int, chunk: Sequence[Write]) -> tuple[list[Any], list[Any]]:
    keys = [
        *(keyspace.META, keyspace.CHANGES, keyspace.index_key(kind), keyspace.gone_key(kind)),
        keyspace.PUBLISH_LOCK,
        *(keyspace.document_key(kind, item.key) for item in chunk),
    ]
    arguments = [kind, epoch, settings.CIRRUS.changes_length, keyspace.NOTIFY, turn.token]
    for item in chunk:
        arguments += [item.key, item.rev, item.text]
    return keys, arguments


def _record(kind: str, epoch: int, written: Sequence[tuple[Write, str]]) -> None:
    now = timezone.now()
    with transaction.atomic():
        _record_publications(kind, epoch, written, now)
        for item, stream_id in written:
            if item.news:
                item.news.note(epoch=epoch, rev=item.rev, stream_id=stream_id, at=now)


def _record_publications(kind: str, epoch: int, written: Sequence[tuple[Write, str]], now: datetime) -> None:
    before = _before(kind, [item for item, _ in written])
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
                since_rev=before.since_rev(item),
                alias_revs=before.alias_revs(item),
                answered=bool(item.text) and item.object_id in before.answered,
                leaving=dict(item.leaving),
                held_since=held_since(item.leaving),
            )
            for item, stream_id in written
        ],
        update_conflicts=True,
        unique_fields=["kind", "key"],
        update_fields=RECORDED_FIELDS,
    )


@dataclass(frozen=True)
class Before:
    """What was published before some writes: the live rows by key, and the objects that DNS answers for."""

    live: Mapping[str, Publication]
    answered: Collection[int]

    def since_rev(self, item: Write) -> int:
        """The revision with which the object came under this key: what its older readers know it by."""
        was = self._of(item)
        return was.since_rev if was else item.rev

    def alias_revs(self, item: Write) -> dict[str, int]:
        """Each alias with the revision that brought it."""
        was = self._of(item)
        known = was.alias_revs if was else {}
        return {name: known.get(name, item.rev) for name in item.aliases}

    def _of(self, item: Write) -> Publication | None:
        was = self.live.get(item.key)
        return was if was and item.text and was.object_id == item.object_id else None


def _before(kind: str, items: Sequence[Write]) -> Before:
    same = Q(key__in=[item.key for item in items]) | Q(object_id__in=[item.object_id for item in items])
    live = list(Publication.objects.filter(same, kind=kind, live=True))
    return Before({was.key: was for was in live}, {was.object_id for was in live if was.answered})


def restore_meta(turn: Turn) -> None:
    """Say in `cdn:meta` again where the keyspace stands: the last step of a repair.

    Also where nothing is published, so that an edge knows that nothing is all there is.
    """
    newest = Publication.objects.order_by("-rev").first()
    epoch, rev = (newest.epoch, newest.rev) if newest else (current_keyspace().epoch, 0)
    with reaching_redis() as client:
        if client.get(keyspace.PUBLISH_LOCK) != turn.token:
            raise PublishingBusy
        entries = client.xrevrange(keyspace.CHANGES, count=1)
        values: dict[Any, Any] = {
            keyspace.META_EPOCH: epoch,
            keyspace.META_REV: rev,
            keyspace.META_LAST: entries[0][0] if entries else "",
        }
        client.hset(keyspace.META, mapping=values)
