"""What a dry run tells of the edges: the documents that would be published, and those withdrawn."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.db.models import Max

from api.dry_run import Compared, Told
from edge.holding import COMPANIONS
from edge.models import Kind, Outbox, Publication
from edge.outbox import staged_here
from edge.rendering import existing, render

#: Kinds whose documents are shown whole; others are too long for people, or sealed.
SHOWN = (Kind.DOMAIN, Kind.NODE)


def documents_preview() -> Told:
    """Call in the transaction of a change before it; what is returned, after it."""
    newest = Outbox.objects.aggregate(newest=Max("pk"))["newest"] or 0

    def told() -> Compared:
        documents = documents_changed(after=newest)
        return lambda: {"documents": documents}

    return told


def documents_changed(*, after: int) -> list[dict[str, Any]]:
    """What this thread's rows of the outbox after this one would change: kind, key, change, document of each.

    What others commit meanwhile is not told: it is no doing of this change, and perhaps not for these eyes.
    `change` is added, replaced, withdrawn, or broken (it cannot be made: `reason`).
    """
    staged: dict[str, set[int]] = defaultdict(set)
    forced: set[tuple[str, int]] = set()
    mine = staged_here()
    for row in Outbox.objects.filter(pk__gt=after):
        if row.pk not in mine:
            continue
        staged[row.kind].add(row.object_id)
        if row.force:
            forced.add((row.kind, row.object_id))
    for kind in COMPANIONS:  # come and go with the documents of their domains
        staged[kind] |= _companions(kind, staged[Kind.DOMAIN])
    found = [item for kind in Kind.values for item in _of_kind(kind, staged[kind], forced)]
    return sorted(found, key=lambda item: (Kind.values.index(item["kind"]), item["key"]))


def _of_kind(kind: str, ids: set[int], forced: set[tuple[str, int]]) -> Iterable[dict[str, Any]]:
    if not ids:
        return
    rendering = render(kind, ids, news=True)
    live = {was.key: was for was in Publication.objects.filter(kind=kind, object_id__in=ids, live=True)}
    for document in rendering.documents.values():
        was = live.get(document.key)
        new = document.news or (kind, document.object_id) in forced
        if not was or new or was.digest != document.digest:
            item: dict[str, Any] = {"kind": kind, "key": document.key}
            item["change"] = "replaced" if was else "added"
            yield item | ({"document": document.body} if kind in SHOWN else {})
    for key in live.keys() - rendering.keys:
        yield {"kind": kind, "key": key, "change": "withdrawn"}
    for pk, reason in rendering.broken.items():
        yield {"kind": kind, "key": str(pk), "change": "broken", "reason": reason}


def _companions(kind: str, domain_ids: set[int]) -> set[int]:
    if not domain_ids:
        return set()
    live = Publication.objects.filter(kind=kind, object_id__in=domain_ids, live=True)
    return existing(kind, domain_ids) | set(live.values_list("object_id", flat=True))
