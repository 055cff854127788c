"""One built zone on its way to Redis: refused, unchanged, or a new version.

A build that would take too many names away is *held*: those names stay as they were, and all the rest of it
is published, so that the zone goes on following the health of its nodes until somebody has decided. For what
leaves the DNS such a version is none: `Zone.built_at` and its `facts_at` stay those of the last whole build.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import redis
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from alarms.models import Alarm
from alarms.services import alarm_clear, alarm_raise
from dnszones.answering import Answering
from dnszones.builder import ADDRESSES, Built
from dnszones.errors import BuildBusy
from dnszones.guard import Shrinking, refusal
from dnszones.models import Zone, ZoneVersion
from dnszones.models.zone import MOST_TTL
from dnszones.serials import newest, next_serial
from dnszones.store import StoredZone, read_seen, write_version
from dnszones.zonedata import Change, RRset, Texts, decode_rrsets, diff

#: Names that a version keeps for people to read.
MOST_NAMES = 50
#: How many versions of a zone are remembered, beside those that have replaced answers with a longer TTL than
#: this (seconds): these, until it has passed.
MOST_VERSIONS, SHORT_TTL = 500, 3_600

REFUSED = "zone_refused"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Outcome:
    """What became of one zone. `changed`: names that differ; `refused`: why nothing was published; `held`:
    why the names that it would have lost were kept, while the rest was published."""

    apex: str
    serial: int
    changed: int = 0
    names: int = 0
    refused: str = ""
    held: str = ""


@dataclass
class ZonePublication:
    """One zone on its way to Redis."""

    client: "redis.Redis"
    row: Zone
    stored: StoredZone | None
    built: Built
    facts_at: datetime
    answering: Answering
    seen: list[int]
    held: str = ""

    def carry_out(self, texts: Texts, *, force: bool) -> Outcome:
        """Write it, or say why not. Raises `BuildBusy` where somebody else has written meanwhile."""
        before = self.stored.names if self.stored else {}
        changes = diff(before, texts)
        if why := self._impossible():
            return self._refuse(why, changes, before)
        if not force and (why := self._shrinks(before, texts, changes)):
            if not self.stored:
                return self._refuse(why, changes, before)
            self.held = why
            changes = {name: change for name, change in changes.items() if change[1] is not None}
            texts = {**before, **texts}
        outcome = self._write(texts, changes)
        if self.held:
            note_refusal(self.row, self.held, alarm=True)
            Zone.objects.filter(pk=self.row.pk).update(warnings=self.built.warnings)
        return outcome

    def _refuse(self, why: str, changes: Mapping[str, Change], before: Mapping[str, str]) -> Outcome:
        Zone.objects.filter(pk=self.row.pk).update(warnings=self.built.warnings)
        # Also where Redis has lost the last good version: then only primaries and secondaries have it.
        note_refusal(self.row, why, alarm=bool(self.stored or self.row.serial))
        return Outcome(self.row.apex, self.row.serial, len(changes), len(before), why)

    def _write(self, texts: Texts, changes: Mapping[str, Change]) -> Outcome:
        known = self._known_serials()
        same = self.stored and not changes and self.stored.soa == self.built.soa.text()
        if same and self.stored and newest(known) == self.stored.serial:
            outcome = Outcome(self.row.apex, self.stored.serial, 0, len(texts), held=self.held)
            if self.row.serial != self.stored.serial:
                # It was written by a worker that was killed before it could note it.
                self._note_version(self.stored.serial, {}, texts, known=False)
            if not self.as_noted(outcome):
                self._note_built(self.stored.serial)
            return outcome
        serial = next_serial(known, now=time.time())
        written = write_version(
            self.client,
            self.row.apex,
            expected_serial=self.stored.serial if self.stored else None,
            serial=serial,
            soa=self.built.soa,
            changes=dict(changes),
            full=self.stored is None,
        )
        if not written:
            raise BuildBusy
        # Where Redis had lost the newest version, what this one replaces is not known.
        before_serial = self.stored.serial if self.stored else 0
        self._note_version(serial, changes, texts, known=before_serial == self.row.serial)
        self._note_built(serial)
        return Outcome(self.row.apex, serial, len(changes), len(texts), held=self.held)

    def as_noted(self, outcome: Outcome) -> bool:
        """Whether SQL knows all of it already, but that it was built anew: mostly so, and for many zones."""
        noted = (self.row.serial, self.row.refusal, self.row.warnings)
        news = outcome.changed or outcome.refused or outcome.held
        return noted == (outcome.serial, "", self.built.warnings) and not news

    def _known_serials(self) -> list[int]:
        known = [self.row.serial, *self.seen]
        known += [state.serial or 0 for state in read_seen(self.client, self.row.apex).values()]
        return [*known, self.stored.serial] if self.stored else known

    def _impossible(self) -> str:
        if not any(rtype == "NS" for rtype, _, _ in self.built.names.get("@", ())):
            return "It has no name server yet: a zone needs one at least."
        return ""

    def _shrinks(self, before: Mapping[str, str], texts: Texts, changes: Mapping[str, Change]) -> str:
        removed = sum(1 for _, new in changes.values() if new is None)
        shrinking = Shrinking(removed, len(before))
        if not self.stored and (last := ZoneVersion.objects.filter(zone=self.row).first()):
            # Redis has lost the zone: what is left to compare with is how many names it had.
            shrinking = Shrinking(last.names - len(texts), last.names)
        return refusal(shrinking, share=settings.CIRRUS.zone_remove_share, held=self.stored is not None)

    def _note_built(self, serial: int) -> None:
        if self.held:
            Zone.objects.filter(pk=self.row.pk).update(serial=serial)
            return
        Zone.objects.filter(pk=self.row.pk).update(
            serial=serial, built_at=self.facts_at, refusal="", warnings=self.built.warnings
        )
        alarm_clear(kind=REFUSED, subject=self.row.apex)

    def _note_version(self, serial: int, changes: Mapping[str, Change], texts: Texts, *, known: bool) -> None:
        ZoneVersion.objects.update_or_create(
            zone=self.row,
            serial=serial,
            defaults={
                "facts_at": (self.row.built_at or LONG_AGO) if self.held else self.facts_at,
                "published_at": timezone.now(),
                "changed": len(changes),
                "changed_names": sorted(changes)[:MOST_NAMES],
                "names": len(texts),
                "nodes": sorted(self._nodes()),
                "replaced_ttl": max(
                    replaced_ttl(changes, self.answering.addresses), 0 if known else self._usual_ttl(texts)
                ),
            },
        )
        self._forget_versions()

    def _nodes(self) -> set[str]:
        """The nodes that the version answers with: what is held may be answered with any of before."""
        return {*self.answering.nodes[self.row.apex], *(nodes_of(self.row) if self.held else ())}

    def _usual_ttl(self, texts: Texts) -> int:
        """Of the ways to edges that the zone has now: those that it had before were kept as long, mostly."""
        ways = {text: (text, None) for text in set(texts.values())}
        return max(self.row.default_ttl, replaced_ttl(ways, self.answering.addresses))

    def _forget_versions(self) -> None:
        """Forget old versions, but none that has replaced an answer which resolvers may still hold."""
        versions = ZoneVersion.objects.filter(zone=self.row)
        newest_first = versions.order_by("-pk").values_list("pk", flat=True)
        if not (pks := list(newest_first[MOST_VERSIONS : MOST_VERSIONS + 1])):
            return
        now, old = timezone.now(), versions.filter(pk__lte=pks[0])
        over = Q(insync_at=None) | Q(insync_at__lt=now - timedelta(seconds=SHORT_TTL))
        old.filter(over, replaced_ttl__lte=SHORT_TTL).delete()
        old.filter(insync_at__lt=now - timedelta(seconds=MOST_TTL)).delete()


def note_refusal(zone: Zone, why: str, *, alarm: bool) -> None:
    """Note why the newest build is not published whole; with an alarm, where there is a last good version."""
    Zone.objects.filter(pk=zone.pk).update(refusal=why)
    if alarm:
        sentence = f"The zone {zone} was built and not published as it is. {why}"
        alarm_raise(kind=REFUSED, subject=zone.apex, sentence=sentence, severity=Alarm.Severity.CRITICAL)


def replaced_ttl(changes: Mapping[str, Change], nodes: Collection[str]) -> int:
    """Seconds for which resolvers may keep a way to an edge that these changes have replaced or removed.

    `nodes`: the addresses of nodes. What else a zone has (name servers, mail, text) sends nobody to an edge:
    were it counted, a text that is kept for a day would keep what leaves on the edges for a day.
    """
    longest = 0
    for old, new in changes.values():
        for rtype, ttl, data in set(_readable(old)) - set(_readable(new)):
            if rtype in ADDRESSES and any(address in nodes for address in data):
                longest = max(longest, ttl)
    return longest


def _readable(text: str | None) -> tuple[RRset, ...]:
    """What a stored text says; nothing where somebody has spoilt it by hand: it is about to be replaced."""
    try:
        return decode_rrsets(text) if text else ()
    except (ValueError, TypeError):
        return ()


def nodes_of(zone: Zone) -> list[str]:
    """The nodes that the newest version of a zone answers with."""
    last = ZoneVersion.objects.filter(zone=zone).order_by("-pk").first()
    return list(last.nodes) if last else []
