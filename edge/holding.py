"""Names that leave: DNS first, the edges when the answers of DNS have expired.

While DNS gives a site's names to clients (`Publication.answered`), the edges go on serving a name that
the site has lost: a domain that was deleted or disabled keeps its document, and one that was renamed,
or has lost an alias, keeps the old name as an alias of its document. `Publication.leaving` says which
names those are. Who publishes the DNS says when they may go (`edge.services.names_release`); where
nobody does, nothing is ever `answered`, and everything is withdrawn at once.

What a domain's document is served with (its purges, its certificate) stays for as long as that does.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from domains import limits
from domains.documents import reason_not_served
from domains.models import Domain, HostName
from edge.models import Kind, Publication

#: Kinds of documents that a domain's own is served with: published before it, and withdrawn after it.
COMPANIONS = (Kind.PURGE, Kind.CHALLENGE, Kind.CERTIFICATE)


def note_lost_names(published: Iterable[Publication]) -> None:
    """Before rendering: note the names that these domains' documents have, and the domains have no more."""
    answered = [was for was in published if was.kind == Kind.DOMAIN and was.answered]
    if not answered:
        return
    claimed = _claims([was.object_id for was in answered])
    for was in answered:
        mine = claimed.get(was.object_id, set())
        if not mine:
            continue  # deleted: the whole document is kept, see `keep`
        lost = [name for name in (was.key, *was.alias_revs) if name not in mine]
        _note(
            was, {**{name: at for name, at in was.leaving.items() if name not in mine}, **_since(was, lost)}
        )


def held_aliases(object_ids: Collection[int]) -> dict[int, dict[str, float]]:
    """The names that these domains keep for a while: primary key → name → since when (Unix time).

    Never one that any domain has (again).
    """
    leaving: dict[int, dict[str, float]] = {}
    held = Publication.objects.filter(
        kind=Kind.DOMAIN, live=True, held_since__isnull=False, object_id__in=object_ids
    )
    for object_id, names in held.values_list("object_id", "leaving"):
        leaving[object_id] = {**leaving.get(object_id, {}), **names}
    if not leaving:
        return {}
    every = {name for names in leaving.values() for name in names}
    taken = {*HostName.objects.filter(name__in=every).values_list("name", flat=True)}
    return {
        pk: {name: at for name, at in names.items() if name not in taken} for pk, names in leaving.items()
    }


def with_aliases(body: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The body of a domain's document with further aliases, as many as an edge accepts."""
    aliases: list[str] = body["aliases"]
    room = max(0, limits.ALIASES - len(aliases))
    more = sorted({*names} - {*aliases, body["host"]})[:room]
    return {**body, "aliases": sorted([*aliases, *more])} if more else body


def keep(
    departing: list[Publication], *, rendered: Collection[int], heirs: Collection[str]
) -> list[Publication]:
    """Of documents about to be withdrawn, those that are: the others are held, and noted as leaving.

    `rendered`: objects with a document under another key, which has their names. `heirs`: keys that
    another object has now.
    """
    gone = []
    for was in departing:
        if not was.answered or was.object_id in rendered or was.key in heirs:
            gone.append(was)
        else:
            _note(was, _since(was, [was.key, *was.alias_revs]))
    return gone


def without_domain(leaving: list[Publication]) -> list[Publication]:
    """Of documents of companions, those whose domain the edges do not have under this name (any more)."""
    served = Publication.objects.filter(kind=Kind.DOMAIN, live=True, key__in=[was.key for was in leaving])
    served_by = dict(served.values_list("key", "object_id"))
    return [was for was in leaving if served_by.get(was.key) != was.object_id]


def withdrawable(kind: str, leaving: list[Publication]) -> list[Publication]:
    """Of documents of companions that are not wanted any more, those that may go.

    Not those of a domain whose own document is only held: it is served with them to the end.
    """
    free = without_domain(leaving)
    if kind == Kind.CHALLENGE or len(free) == len(leaving):
        return leaving
    named = Domain.objects.filter(host__in=[was.key for was in leaving]).prefetch_related("origins")
    served = {(domain.host, domain.pk) for domain in named if not reason_not_served(domain)}
    return [was for was in leaving if was in free or (was.key, was.object_id) in served]


def held_with_domain(kind: str, published: list[Publication]) -> set[str]:
    """The keys of these documents of companions that stay since their domain's own document is held."""
    if kind == Kind.CHALLENGE:
        return set()
    keys = [was.key for was in published]
    holding = Publication.objects.filter(kind=Kind.DOMAIN, live=True, held_since__isnull=False, key__in=keys)
    held = {(was.key, was.object_id) for was in holding if was.held}
    return {was.key for was in published if (was.key, was.object_id) in held}


def note_returned(published: Iterable[Publication], held: Mapping[int, Mapping[str, float]]) -> None:
    """These documents' domains are served: of their names, only those in `held` are still leaving."""
    for was in published:
        if was.held_since and was.object_id in held:
            _note(was, {name: at for name, at in was.leaving.items() if name in held[was.object_id]})


def held_since(leaving: Mapping[str, float]) -> datetime | None:
    """When the first of the names began to leave."""
    return datetime.fromtimestamp(min(leaving.values()), UTC) if leaving else None


def _since(was: Publication, names: Iterable[str]) -> dict[str, float]:
    now = time.time()  # after the commit: whoever reads the database from now on sees that they are gone
    return {name: was.leaving.get(name, now) for name in names}


def _note(was: Publication, leaving: dict[str, float]) -> None:
    if leaving != was.leaving:
        was.leaving, was.held_since, was.leave_at = leaving, held_since(leaving), None
        was.save(update_fields=["leaving", "held_since", "leave_at"])


def _claims(domain_ids: Collection[int]) -> dict[int, set[str]]:
    claims: dict[int, set[str]] = {}
    rows = HostName.objects.filter(domain__in=domain_ids).values_list("domain_id", "name")
    for domain_id, name in rows:
        claims.setdefault(domain_id, set()).add(name)
    return claims
