"""From an object to its document: which app renders which kind, and what must not be on the edges."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from domains.documents import domain_document, reason_not_served
from domains.models import Domain
from edge.keyspace import envelope
from edge.models import Kind
from nodes.documents import node_document
from nodes.models import Node


@dataclass(frozen=True)
class Source:
    """How a kind is made: its objects, prefetched for rendering, and three pure functions of one."""

    objects: Callable[[], QuerySet[Any]]
    key: Callable[[Any], str]
    body: Callable[[Any], dict[str, Any]]
    withheld: Callable[[Any], str]


SOURCES: dict[str, Source] = {
    Kind.DOMAIN: Source(
        objects=lambda: Domain.objects.prefetch_related("hostnames", "origins"),
        key=lambda domain: domain.host,
        body=domain_document,
        withheld=reason_not_served,
    ),
    Kind.NODE: Source(
        objects=lambda: Node.objects.select_related("region"),
        key=lambda node: node.name,
        body=node_document,
        withheld=lambda node: "",
    ),
}


@dataclass(frozen=True)
class Rendered:
    """A document before it has a revision."""

    kind: str
    key: str
    object_id: int
    body: dict[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical body: equal digests are equal documents."""
        return digest_of(self.body)

    def text(self, *, epoch: int, rev: int) -> str:
        """The JSON text as it is stored in Redis."""
        return canonical(envelope(epoch=epoch, rev=rev, body=self.body))


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces, one text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest_of(body: dict[str, Any]) -> str:
    """SHA-256 (hex) of a document's body, without its envelope."""
    return hashlib.sha256(canonical(body).encode()).hexdigest()


def render(kind: str, object_ids: Iterable[int]) -> dict[int, Rendered]:
    """Read the objects and render them; one that is gone or withheld is not in the result."""
    source = SOURCES[kind]
    found = source.objects().filter(pk__in=list(object_ids))
    return {
        item.pk: Rendered(kind, source.key(item), item.pk, source.body(item))
        for item in found
        if not source.withheld(item)
    }


def reason_withheld(kind: str, object_id: int) -> str:
    """Why an object is not published on purpose, or "" where it should be."""
    source = SOURCES[kind]
    item = source.objects().filter(pk=object_id).first()
    return source.withheld(item) if item else ""
