"""Make before break, the second half: what leaves the DNS may leave the edges when nobody knows it any more.

A name (or a node) is gone for every client when a build has left it out, every secondary answers that
build's version, and the TTL of the last answer that a resolver may hold has passed.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import accumulate

from django.db.models import Max
from django.utils import timezone

from dnszones.models import Site, Zone, ZoneVersion
from dnszones.names import closest_apex
from dnszones.staging import zones_stage
from edge.models import Publication
from edge.services import names_leave_at, names_leaving, names_release
from nodes.models import Node
from nodes.services import LEAVING, node_answers_again, node_withdrawn


def leaving_settle() -> int:
    """Release what no client can know any more; the number of documents whose names were released."""
    answers = Answers(timezone.now())
    released = sum(_settle(publication, answers) for publication in names_leaving())
    _settle_nodes(answers)
    return released


@dataclass(frozen=True)
class _Versions:
    """The versions of one zone, oldest first. `facts_at`: the newest facts up to each; `free_at`: when the
    last answer that it, or one before it, has replaced is gone everywhere (None: not known yet)."""

    facts_at: list[datetime]
    free_at: list[datetime | None]

    def position(self, since: datetime) -> int:
        """Of the first version that knows what was saved until `since`; there is one at least."""
        return min(bisect_right(self.facts_at, since), len(self.facts_at) - 1)


class Answers:
    """What clients may hold of our zones' answers: read once for everything that leaves."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.zones = {zone.apex: zone for zone in Zone.objects.published()}
        self._read: dict[int, _Versions] = {}
        self._staged: set[int] = set()

    @cached_property
    def access_apexes(self) -> set[str]:
        """The zones in which domains have access names."""
        ids = {*Site.objects.order_by().values_list("zone_id", flat=True).distinct()}
        return {zone.apex for zone in self.zones.values() if zone.pk in ids}

    @cached_property
    def _newest_nodes(self) -> dict[int, list[str]]:
        newest = ZoneVersion.objects.order_by().values("zone").annotate(last=Max("pk")).values("last")
        return dict(ZoneVersion.objects.filter(pk__in=newest).values_list("zone_id", "nodes"))

    def name(self, node: str) -> bool:
        """Whether the newest version of any zone answers with this node."""
        return any(node in self._newest_nodes.get(zone.pk, ()) for zone in self.zones.values())

    def free_at(self, zone: Zone, since: datetime) -> datetime | None:
        """When the last answer of this zone from before `since` has expired; None while that is not known.

        A zone that has not been built since then is staged, lest it be waited for in vain.
        """
        if not zone.serial:
            return self.now  # nobody has ever been given it
        if zone.built_at is None or zone.built_at <= since:
            if not zone.refusal and zone.pk not in self._staged:
                self._staged.add(zone.pk)
                zones_stage([zone.pk])
            return None
        versions = self._versions(zone)
        return versions.free_at[versions.position(since)] if versions.free_at else self.now

    def node_free_at(self, zone: Zone, node: Node) -> datetime | None:
        """The same for the answers with a node that has been leaving since its last change."""
        free = self.free_at(zone, node.updated_at)
        versions = self._versions(zone)
        if free is None or not versions.free_at:
            return free
        # It may have been answered once more since then: as a last resort, or by a build that began before.
        names = ZoneVersion.objects.filter(zone=zone).order_by("-pk").values_list("nodes", flat=True)
        without = next(
            (count for count, some in enumerate(names) if node.name in some), len(versions.free_at)
        )
        first = len(versions.free_at) - without
        return versions.free_at[max(versions.position(node.updated_at), first)] if without else None

    def _versions(self, zone: Zone) -> _Versions:
        if (found := self._read.get(zone.pk)) is None:
            rows = [
                *ZoneVersion.objects.filter(zone=zone)
                .order_by("pk")
                .values_list("facts_at", "insync_at", "replaced_ttl")
            ]
            gone = [at and max(self.now, at + timedelta(seconds=ttl)) for _, at, ttl in rows]
            found = self._read[zone.pk] = _Versions(
                [*accumulate((facts for facts, _, _ in rows), max)], [*accumulate(gone, _later)]
            )
        return found


def _settle(publication: Publication, answers: Answers) -> bool:
    gone: set[str] = set()
    latest: list[datetime | None] = []
    for names, in_zones in _parts(publication, answers):
        since = max(datetime.fromtimestamp(publication.leaving[name], UTC) for name in names)
        until = _latest((answers.free_at(zone, since) for zone in in_zones), answers.now)
        if until and until <= answers.now:
            gone |= names
        else:
            latest.append(until)
    if gone:
        names_release(publication=publication, names=gone)
    elif latest:
        names_leave_at(publication=publication, at=_latest(latest, answers.now))
    return bool(gone)


def _parts(publication: Publication, answers: Answers) -> list[tuple[set[str], list[Zone]]]:
    """Names that go together, and the zones that have answered with them."""
    zones = answers.zones
    found = {name: closest_apex(name, zones) for name in publication.leaving}
    if not publication.held:
        return [({name}, [zones[apex]] if apex else []) for name, apex in found.items()]
    # The whole domain, so also its access name.
    apexes = answers.access_apexes | {apex for apex in found.values() if apex}
    return [({*found}, [zones[apex] for apex in sorted(apexes)])]


def _settle_nodes(answers: Answers) -> None:
    """Tell which leaving nodes no secondary answers with, and for how long resolvers still may."""
    zones = answers.zones.values()
    for node in Node.objects.filter(state__in=LEAVING, withdrawn_at=None):
        # A last resort stays in the answers: nothing better is left to answer with.
        if answers.name(node.name):
            continue
        if until := _latest((answers.node_free_at(zone, node) for zone in zones), answers.now):
            node_withdrawn(node=node, ttl=math.ceil((until - answers.now).total_seconds()))
    for node in Node.objects.filter(state=Node.State.DRAINING).exclude(withdrawn_at=None):
        if answers.name(node.name):
            node_answers_again(node=node)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else None


def _latest(moments: Iterable[datetime | None], now: datetime) -> datetime | None:
    """The last of them, and not before `now`; None where one is not known."""
    latest: datetime | None = now
    for moment in moments:
        latest = _later(latest, moment)
    return latest
