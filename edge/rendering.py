"""From an object to its document: which app renders which kind, and what must not be on the edges."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from django.db.models import QuerySet

from domains.documents import domain_document, reason_not_served
from domains.models import Domain
from edge.holding import held_aliases, with_aliases
from edge.keyspace import envelope
from edge.models import Kind
from edge.purges.document import News, purge_document, purge_news, purged_domains, reason_not_purged
from nodes.documents import node_document
from nodes.models import Node

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """How a kind is made: its objects, prefetched for rendering, and pure functions of one.

    `news`: what a publication of the object would tell for the first time, if anything.
    """

    objects: Callable[[], QuerySet[Any]]
    key_field: str
    body: Callable[[Any], dict[str, Any]]
    withheld: Callable[[Any], str]
    news: Callable[[Any], News | None] = lambda item: None


SOURCES: dict[str, Source] = {
    Kind.PURGE: Source(
        objects=purged_domains,
        key_field="host",
        body=purge_document,
        withheld=reason_not_purged,
        news=purge_news,
    ),
    Kind.DOMAIN: Source(
        objects=lambda: Domain.objects.prefetch_related("hostnames", "origins", "rules__conditions"),
        key_field="host",
        body=domain_document,
        withheld=reason_not_served,
    ),
    Kind.NODE: Source(
        objects=lambda: Node.objects.select_related("region"),
        key_field="name",
        body=node_document,
        withheld=lambda node: "",
    ),
}


def register(kind: str, source: Source) -> None:
    """Have documents of this kind made: for apps above this one, once, when the apps are ready."""
    SOURCES[kind] = source


@dataclass(frozen=True)
class Rendered:
    """A document before it has a revision; `news` are stamped with that revision.

    `held`: names in it that are about to leave, and since when (edge/holding.py).
    """

    kind: str
    key: str
    object_id: int
    body: dict[str, Any]
    news: News | None = None
    held: dict[str, float] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the canonical body: equal digests are equal documents."""
        return hashlib.sha256(canonical(self.body).encode()).hexdigest()

    def under(self, rev: int) -> "Rendered":
        """The document as it is published under `rev`."""
        return replace(self, body=self.news.body(rev)) if self.news else self

    def text(self, *, epoch: int, rev: int) -> str:
        """The JSON text as it is stored in Redis."""
        return canonical(envelope(epoch=epoch, rev=rev, body=self.body))


@dataclass
class Rendering:
    """Some objects rendered: those that still exist are published, withheld, or `broken` (and why)."""

    documents: dict[int, Rendered] = field(default_factory=dict)
    withheld_keys: set[str] = field(default_factory=set)
    broken: dict[int, str] = field(default_factory=dict)
    broken_keys: set[str] = field(default_factory=set)

    @property
    def keys(self) -> set[str]:
        """The keys that are rightfully published: also those of objects that cannot be rendered now."""
        return {document.key for document in self.documents.values()} | self.broken_keys


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces, one text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def render(kind: str, object_ids: Iterable[int], *, news: bool = False) -> Rendering:
    """Read these objects and render them; with their news, if they are about to be published."""
    return _render(kind, SOURCES[kind].objects().filter(pk__in=list(object_ids)), news)


def render_keys(kind: str, keys: Iterable[str]) -> Rendering:
    """Read the objects that have these keys now, and render them."""
    source = SOURCES[kind]
    return _render(kind, source.objects().filter(**{f"{source.key_field}__in": list(keys)}))


def _render(kind: str, objects: QuerySet[Any], with_news: bool = False) -> Rendering:
    source, result = SOURCES[kind], Rendering()
    for item in objects:
        key = getattr(item, source.key_field)
        try:
            news = source.news(item) if with_news else None
            if not news and source.withheld(item):
                result.withheld_keys.add(key)
            else:
                result.documents[item.pk] = Rendered(kind, key, item.pk, source.body(item), news)
        except Exception as error:  # one bad object must not hold up the others
            logger.exception("cannot render %s %s", kind, key)
            result.broken[item.pk] = f"{type(error).__name__}: {error}"
            result.broken_keys.add(key)
    if kind == Kind.DOMAIN:
        _hold_aliases(result)
    return result


def _hold_aliases(result: Rendering) -> None:
    for pk, names in held_aliases([*result.documents]).items():
        document = result.documents[pk]
        body = with_aliases(document.body, names)
        held = {name: at for name, at in names.items() if name in body["aliases"]}
        result.documents[pk] = replace(document, body=body, held=held)


def reasons_withheld(kind: str, object_ids: Iterable[int]) -> dict[int, str]:
    """Why each of these objects is not published on purpose; "" where it should be."""
    source = SOURCES[kind]
    return {item.pk: source.withheld(item) for item in source.objects().filter(pk__in=list(object_ids))}


def existing(kind: str, object_ids: Iterable[int]) -> set[int]:
    """Those of the objects that there are, published or not."""
    found = SOURCES[kind].objects().filter(pk__in=list(object_ids))
    return set(found.values_list("pk", flat=True))


def existing_keys(kind: str, keys: Iterable[str]) -> set[str]:
    """Those of the keys that some object has, published or not."""
    field_name = SOURCES[kind].key_field
    found = SOURCES[kind].objects().filter(**{f"{field_name}__in": list(keys)})
    return set(found.values_list(field_name, flat=True))


def object_count(kind: str) -> int:
    """How many objects of this kind there are, published or not."""
    return SOURCES[kind].objects().count()


def object_chunks(kind: str, size: int) -> Iterator[list[int]]:
    """The primary keys of all objects, in order, `size` at a time."""
    last = 0
    while True:
        following = SOURCES[kind].objects().filter(pk__gt=last).order_by("pk")
        chunk = list(following.values_list("pk", flat=True)[:size])
        if not chunk:
            return
        yield chunk
        last = chunk[-1]
