"""What Redis holds, compared with what the database says: a few hundred documents at a time."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from edge import keyspace
from edge.holding import COMPANIONS, held_with_domain
from edge.models import Publication
from edge.rendering import Rendered, existing_keys, object_chunks, render, render_keys
from edge.revisions import current_keyspace
from edge.store import reaching_redis

#: Objects, publications or index entries compared in one go: what is held in memory at once.
CHUNK = 500


class Problem(StrEnum):
    """What is wrong with one document in Redis."""

    MISSING = "missing"
    DIFFERS = "differs"
    INDEX_LOST = "index entry lost"
    EXTRA = "extra"
    TOMBSTONE_LOST = "tombstone lost"
    REWRITTEN = "rewritten"


#: Mended by withdrawing the key again; the others by publishing the object again.
WITHDRAWN = {Problem.EXTRA, Problem.TOMBSTONE_LOST}


@dataclass(frozen=True, slots=True)
class Difference:
    """One document that is not as it should be. `object_id` is None where no object was ever known."""

    kind: str
    problem: Problem
    key: str
    object_id: int | None


@dataclass(frozen=True)
class Comparison:
    """Compares one kind. `rewrite`: everything is to be written again, whatever Redis holds."""

    kind: str
    rewrite: bool
    broken: Callable[[str], None]

    def everything(self, tick: Callable[[int], None]) -> Iterator[Difference]:
        """All differences of the kind; `tick` is told how many objects or keys have been looked at."""
        for object_ids in object_chunks(self.kind, CHUNK):
            yield from self.objects(object_ids)
            tick(len(object_ids))
        for keys in _recorded_chunks(self.kind):
            yield from self.leftovers(keys - existing_keys(self.kind, keys))
            tick(len(keys))
        for keys in _indexed_chunks(self.kind):
            unknown = keys - existing_keys(self.kind, keys)
            recorded = Publication.objects.filter(kind=self.kind, key__in=unknown)
            yield from self.leftovers(unknown - set(recorded.values_list("key", flat=True)))

    def again(self, differences: Collection[Difference]) -> Iterator[Difference]:
        """Those of the differences that are still there."""
        yield from self.objects(
            [d.object_id for d in differences if d.problem not in WITHDRAWN and d.object_id is not None]
        )
        keys = {d.key for d in differences if d.problem in WITHDRAWN}
        yield from self.leftovers(keys - render_keys(self.kind, keys).keys)

    def objects(self, object_ids: Iterable[int]) -> Iterator[Difference]:
        """What is wrong with the documents of these objects, and of those that must have none."""
        rendering = render(self.kind, object_ids)
        for why in rendering.broken.items():
            self.broken(f"{self.kind} {why[0]}: {why[1]}")
        documents = list(rendering.documents.values())
        held = _read(self.kind, [document.key for document in documents])
        recorded = _recorded(self.kind, [document.key for document in documents])
        epoch = current_keyspace().epoch
        for document in documents:
            problem = self._problem(document, held[document.key], recorded.get(document.key), epoch)
            if problem:
                yield Difference(self.kind, problem, document.key, document.object_id)
        yield from self.leftovers(rendering.withheld_keys)

    def leftovers(self, keys: Collection[str]) -> Iterator[Difference]:
        """What is left in Redis, or is not withdrawn there, of keys that must not be published."""
        held, recorded = _read(self.kind, keys), _recorded(self.kind, keys)
        kept = set() if self.rewrite else self._kept(recorded.values())
        epoch = current_keyspace().epoch
        for key in sorted(set(keys) - kept):
            was, found = recorded.get(key), held[key]
            owner = was.object_id if was else None
            if found.text is not None or found.indexed is not None or (was and was.live):
                yield Difference(self.kind, Problem.EXTRA, key, owner)
            elif was and (self.rewrite or was.epoch != epoch or found.gone != was.rev):
                yield Difference(self.kind, Problem.TOMBSTONE_LOST, key, owner)

    def _kept(self, recorded: Iterable[Publication]) -> set[str]:
        """The keys that are kept on purpose: edge/holding.py."""
        live = [was for was in recorded if was.live]
        if self.kind in COMPANIONS:
            return held_with_domain(self.kind, live)
        return {was.key for was in live if was.held_since}

    def _problem(
        self, document: Rendered, found: "Held", was: Publication | None, epoch: int
    ) -> Problem | None:
        if self.rewrite:
            return Problem.REWRITTEN
        if found.text is None:
            return Problem.MISSING
        if found.indexed is None:
            return Problem.INDEX_LOST
        # The whole text: so the body, the epoch, and the revision that the index says.
        as_it_should = found.text == document.text(epoch=epoch, rev=found.indexed)
        recorded = was and was.live and (was.rev, was.object_id) == (found.indexed, document.object_id)
        return None if as_it_should and recorded and found.gone is None else Problem.DIFFERS


@dataclass(frozen=True, slots=True)
class Held:
    """What Redis holds of one key: its text, and its scores in the index and among the tombstones."""

    text: str | None
    indexed: int | None
    gone: int | None


def published_count(kind: str) -> int:
    """How many documents the edges have: by the index, or by our record where that knows of more."""
    with reaching_redis() as client:
        indexed: Any = client.zcard(keyspace.index_key(kind))
    return max(int(indexed), Publication.objects.filter(kind=kind, live=True).count())


def _read(kind: str, keys: Collection[str]) -> dict[str, Held]:
    names = list(keys)
    if not names:
        return {}
    with reaching_redis() as client:
        pipe = client.pipeline(transaction=False)
        pipe.mget([keyspace.document_key(kind, name) for name in names])
        pipe.zmscore(keyspace.index_key(kind), names)
        pipe.zmscore(keyspace.gone_key(kind), names)
        texts, indexed, gone = pipe.execute()
    return {
        name: Held(text, _score(index), _score(tombstone))
        for name, text, index, tombstone in zip(names, texts, indexed, gone, strict=True)
    }


def _score(score: float | None) -> int | None:
    return None if score is None else int(score)


def _recorded(kind: str, keys: Collection[str]) -> dict[str, Publication]:
    return {was.key: was for was in Publication.objects.filter(kind=kind, key__in=list(keys))}


def _recorded_chunks(kind: str) -> Iterator[set[str]]:
    last = 0
    while True:
        following = Publication.objects.filter(kind=kind, pk__gt=last).order_by("pk")
        chunk = list(following.values_list("pk", "key")[:CHUNK])
        if not chunk:
            return
        yield {key for _, key in chunk}
        last = chunk[-1][0]


def _indexed_chunks(kind: str) -> Iterator[set[str]]:
    # By revision: what is published meanwhile moves to the end and is seen there once more.
    after = "-inf"
    while True:
        with reaching_redis() as client:
            chunk: Any = client.zrangebyscore(
                keyspace.index_key(kind), after, "+inf", start=0, num=CHUNK, withscores=True
            )
        if not chunk:
            return
        yield {key for key, _ in chunk}
        after = f"({int(chunk[-1][1])}"
