"""Bring Redis to what the database says: compare, make a plan, refuse a suspicious one, apply it.

Safe while saves go on: what a comparison finds is looked at once more under the publishing lock, and
what is published again is rendered again under it, in short turns between which saves get theirs.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import redis
from django.conf import settings
from django.utils import timezone

from edge import keyspace
from edge.acks import read_acks
from edge.comparison import CHUNK, WITHDRAWN, Comparison, Difference, published_count
from edge.errors import NotPublished, PlanRefused, RedisForgot, RedisIsAhead, RepairBusy
from edge.lineage import Lineage, Position, read_standing
from edge.models import Keyspace, Kind, Outbox, Publication
from edge.outbox import PURGES, flush
from edge.plan import Plan
from edge.projection import GIVE_WAY, publish, publishing, restore_meta, withdraw
from edge.purges.adoption import purges_adopt
from edge.rendering import object_count
from edge.revisions import begin_epoch, current_keyspace
from edge.store import reaching_redis
from nodes.models import Node

logger = logging.getLogger(__name__)

#: Told how far a step has come: what it does, how many are done, how many there are.
Progress = Callable[[str, int, int], None]

#: Seconds after which the lock of a repair that was killed is free; renewed at every step.
REPAIR_LOCK_TIME = 60
#: Seconds in which a repair that was refused is not planned again by the outbox's job.
REFUSAL_HOLDS = 240
#: Seconds that a scheduled job waits for its turn to publish.
JOB_PATIENCE = 10.0


def keyspace_compare(*, progress: Progress | None = None) -> Plan:
    """What a repair would do now; nothing is written. Raises `RedisUnreachable`."""
    return _make_plan(progress or _silent, rewrite=False)


def keyspace_repair(
    *,
    force: bool = False,
    rebuild: bool = False,
    trust_edges: bool = False,
    progress: Progress | None = None,
) -> Plan:
    """Make Redis hold what the database says; the plan that was carried out.

    What it found is noted in `Keyspace`, where metrics see it.

    `rebuild` writes everything again under a new epoch; that happens by itself where Redis knows
    newer revisions than the database. `trust_edges` does so also where only an edge knows them: by
    an operator's hand only, or a single broken edge could have everything written again and again.
    Raises `PlanRefused` unless `force`, `RepairBusy`, `NotPublished`.
    """
    with _repairing(progress or _silent) as told:
        standing = read_standing(thorough=True)
        past = [standing.redis, *(_positions_of_edges().values() if trust_edges or rebuild else [])]
        ahead = max(past) > _given()
        if rebuild or ahead:
            purges_adopt()
        plan = _make_plan(told, rewrite=rebuild or ahead)
        if not force:
            plan.require_share(settings.CIRRUS.repair_delete_share)
        if plan.rewrite:
            epoch, revision = (max(values) for values in zip(*past, strict=True))
            begin_epoch(past_epoch=epoch, past_revision=revision)
        _apply(plan, told)
        if plan.rewrite or plan.lineage is not Lineage.SOUND:
            with publishing(patience=JOB_PATIENCE, repairing=True) as turn:
                restore_meta(turn)
        flush(patience=JOB_PATIENCE)
    _note(drift=len(plan.differences) + len(plan.broken), error="")
    return plan


def keyspace_reconcile() -> None:
    """Repair what has drifted; a refusal is noted where the portal shows it to whoever waits."""
    try:
        plan = keyspace_repair()
    except PlanRefused as error:
        logger.error("the keyspace has drifted and is not repaired: %s", error)
        _note(drift=error.withdrawn, error=str(error))
    except (NotPublished, RepairBusy) as error:
        logger.warning("the keyspace was not compared: %s", error)
    else:
        if not plan.sound:
            logger.warning(
                "the keyspace had drifted: %s", "; ".join(line.rstrip(".") for line in plan.lines())
            )


def outbox_drain() -> None:
    """Publish what is left in the outbox; bring back what a flushed or restored Redis has lost."""
    try:
        flush(patience=JOB_PATIENCE)
    except (RedisForgot, RedisIsAhead) as error:
        if not _refused_lately():
            logger.warning("%s", error)
            keyspace_reconcile()
    except NotPublished as error:
        logger.warning("the outbox waits: %s", error)


# -- the plan -------------------------------------------------------------------------------------


def _make_plan(progress: Progress, *, rewrite: bool) -> Plan:
    plan = Plan(lineage=read_standing(thorough=True).lineage, rewrite=rewrite)
    positions = _positions_of_edges()
    given = _given()  # asked last: a save in between must not make an edge look ahead
    plan.edges_ahead = [name for name, position in positions.items() if position > given]
    for kind in Kind.values:
        plan.published[kind] = published_count(kind)
        comparison = Comparison(kind, rewrite, plan.broken.append)
        total = object_count(kind) + Publication.objects.filter(kind=kind).count()
        done = 0

        def tick(count: int, kind: str = kind, total: int = total) -> None:
            nonlocal done
            done += count
            progress(f"comparing {kind} documents", done, max(total, done))

        found = list(comparison.everything(tick))
        # A flush may have been under way; where everything is written again it does not matter.
        certain = found if rewrite or plan.lineage is not Lineage.SOUND else _still_there(comparison, found)
        plan.differences += certain
    return plan


def _still_there(comparison: Comparison, found: list[Difference]) -> Iterator[Difference]:
    for chunk in _chunks(found):
        with publishing(patience=JOB_PATIENCE, repairing=True):
            staged = Outbox.objects.filter(kind=comparison.kind, object_id__in=[d.object_id for d in chunk])
            on_their_way = set(staged.values_list("object_id", flat=True))
            still = list(comparison.again([d for d in chunk if d.object_id not in on_their_way]))
        yield from still
        time.sleep(GIVE_WAY)


def _apply(plan: Plan, progress: Progress) -> None:
    done, total = 0, len(plan.differences)
    # Additions come before withdrawals, as in every publication; purges come first and go last.
    for kind, withdrawn in [
        *((kind, False) for kind in Kind.values),
        *((kind, True) for kind in reversed(Kind.values)),
    ]:
        for chunk in _chunks(
            [d for d in plan.differences if d.kind == kind and (d.problem in WITHDRAWN) == withdrawn],
            PURGES if kind == Kind.PURGE else CHUNK,
        ):
            _apply_chunk(kind, chunk)
            done += len(chunk)
            progress("repairing", done, total)
            time.sleep(GIVE_WAY)


def _apply_chunk(kind: str, chunk: Sequence[Difference]) -> None:
    now = timezone.now()
    objects = {d.object_id: now for d in chunk if d.problem not in WITHDRAWN and d.object_id is not None}
    keys = [d.key for d in chunk if d.problem in WITHDRAWN]
    with publishing(patience=JOB_PATIENCE, repairing=True) as turn:
        if objects:
            publish(turn, kind, objects, force=objects.keys(), companions=False)
        if keys:
            withdraw(turn, kind, keys)


def _chunks(differences: list[Difference], size: int = CHUNK) -> Iterator[list[Difference]]:
    for start in range(0, len(differences), size):
        yield differences[start : start + size]


# -- who knows what -------------------------------------------------------------------------------


def _given() -> Position:
    counters = current_keyspace()
    return counters.epoch, counters.revision


def _positions_of_edges() -> dict[str, Position]:
    edges = Node.objects.filter(is_edge=True).values_list("name", flat=True)
    # Epochs are Unix times: one of tomorrow is nonsense that would spoil all later ones.
    latest = time.time() + 86_400
    return {
        name: (ack.epoch, ack.rev)
        for name, ack in read_acks(edges).by_node.items()
        if ack.age is not None and ack.epoch <= latest
    }


def _note(*, drift: int, error: str) -> None:
    current_keyspace()
    Keyspace.objects.filter(pk=1).update(compared_at=timezone.now(), drift=drift, drift_error=error)


def _refused_lately() -> bool:
    counters = current_keyspace()
    if not counters.drift_error or not counters.compared_at:
        return False
    return (timezone.now() - counters.compared_at).total_seconds() < REFUSAL_HOLDS


@contextmanager
def _repairing(progress: Progress) -> Iterator[Progress]:
    """Be the only repair; yields the progress to tell, which also keeps the lock."""
    with reaching_redis() as client:
        lock = client.lock(keyspace.REPAIR_LOCK, timeout=REPAIR_LOCK_TIME, blocking=False)
        if not lock.acquire():
            raise RepairBusy

        def told(what: str, done: int, total: int) -> None:
            progress(what, done, total)
            # Losing it is harmless: two repairs only do the same work twice.
            with suppress(redis.exceptions.LockError):
                lock.reacquire()

        try:
            yield told
        finally:
            with suppress(redis.exceptions.LockError):
                lock.release()


def _silent(what: str, done: int, total: int) -> None:
    """Nobody is told of the progress."""
