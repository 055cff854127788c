"""What an operator reads of a publication. Pure: facts in, one sentence out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.utils import timezone

from edge.acks import Ack, Acks, milliseconds
from edge.models import Publication

Tone = Literal["ok", "pending", "refused", "off"]

#: Edges named in one sentence.
MOST_NAMED = 3


@dataclass(frozen=True)
class PublicationStatus:
    """One honest line on where an object is served, without a full stop."""

    tone: Tone
    sentence: str
    rev: int | None = None
    applied_by: int = 0
    serving: int = 0


@dataclass(frozen=True)
class Reached:
    """How far one change has come among the serving edges."""

    applied: list[str]
    refused: dict[str, str]
    waiting: dict[str, Ack]


def reached(publication: Publication, serving: list[str], acks: Acks) -> Reached:
    """Who has applied this publication, who refuses it and why, who has still to do it."""
    position = {"epoch": publication.epoch, "rev": publication.rev}
    document = f"{publication.kind}:{publication.key}"
    refused = {
        name: why
        for name in serving
        if (why := acks.of(name).refusal(document=document, epoch=position["epoch"], rev=position["rev"]))
    }
    others = [name for name in serving if name not in refused]
    return Reached(
        applied=[name for name in others if acks.of(name).has(**position)],
        refused=refused,
        waiting={name: acks.of(name) for name in others if not acks.of(name).has(**position)},
    )


def applied_time(publication: Publication, serving: list[str], acks: Acks) -> datetime | None:
    """When the last serving edge had applied it, on the control plane's clock.

    The way from Redis to the edge is measured by Redis's clock alone (both ends are stream ids), so
    that clocks that disagree cannot lengthen or shorten it. None where an entry has been trimmed.
    """
    times = [
        acks.histories[name].applied_ms(
            epoch=publication.epoch, rev=publication.rev, stream_id=publication.stream_id
        )
        for name in serving
        if name in acks.histories
    ]
    known = [at for at in times if at is not None]
    if not known or len(known) < len(serving):
        return None
    return publication.published_at + timedelta(milliseconds=max(known) - milliseconds(publication.stream_id))


def live_status(publication: Publication, serving: list[str], acks: Acks) -> PublicationStatus:
    """The line of an object whose document is published."""
    if acks.failure:
        return _unknown_status(publication, serving, acks)
    if not serving:
        return PublicationStatus("pending", "published; no edge is up to serve it", publication.rev)
    far = reached(publication, serving, acks)
    counts = (publication.rev, len(far.applied), len(serving))
    on = f"on {len(far.applied)} of {len(serving)} edges"
    if far.refused:
        return PublicationStatus("refused", _refusals(far.refused), *counts)
    if far.waiting:
        return PublicationStatus("pending", f"{on}, waiting for {_waiting(far.waiting)}", *counts)
    at = publication.applied_at or applied_time(publication, serving, acks)
    return PublicationStatus("ok", on + _after_save(publication, at), *counts)


def withdrawn_status(
    publication: Publication, serving: list[str], acks: Acks, *, reason: str
) -> PublicationStatus:
    """The line of an object whose document has been withdrawn, because of `reason`."""
    far = reached(publication, serving, acks)
    if publication.applied_at or not far.waiting:
        return PublicationStatus("off", f"not on the edges: {reason}", publication.rev, 0, len(serving))
    missing = acks.failure or f"waiting for {_waiting(far.waiting)}"
    sentence = f"being withdrawn ({reason}): gone from {len(far.applied)} of {len(serving)} edges, {missing}"
    return PublicationStatus("pending", sentence, publication.rev, 0, len(serving))


def held_status(publication: Publication, serving: list[str], *, reason: str) -> PublicationStatus:
    """The line of an object that is no longer to be served, while clients may have old answers of DNS."""
    sentence = f"leaves DNS first, then the edges ({reason})"
    if publication.leave_at:
        when = clock(publication.leave_at)
        sentence = f"leaves the edges at {when}, when the answers of DNS have expired ({reason})"
    return PublicationStatus("pending", sentence, publication.rev, 0, len(serving))


def waiting_status(*, since: datetime, failure: str) -> PublicationStatus:
    """The line of an object whose change is still in the outbox."""
    why = failure or "it waits for its turn"
    return PublicationStatus("pending", f"pending since {clock(since)}: {why}")


def _unknown_status(publication: Publication, serving: list[str], acks: Acks) -> PublicationStatus:
    if publication.applied_at:
        applied = min(publication.applied_by, len(serving))
        on = f"on {applied} of {len(serving)} edges" + _after_save(publication, publication.applied_at)
        return PublicationStatus("ok", on, publication.rev, applied, len(serving))
    sentence = f"published at {clock(publication.published_at)}; on which edges is not known: {acks.failure}"
    return PublicationStatus("pending", sentence, publication.rev, 0, len(serving))


def _refusals(refused: Mapping[str, str]) -> str:
    return f"refused by {names(list(refused))}: {next(iter(refused.values()))}"


def _waiting(waiting: Mapping[str, Ack]) -> str:
    return names([name + _silence(ack) for name, ack in waiting.items()])


def _silence(ack: Ack) -> str:
    if ack.age is None:
        return " (never heard of)"
    return "" if ack.heard else f" (silent for {duration(ack.age)})"


def _after_save(publication: Publication, at: datetime | None) -> str:
    if at is None:
        return ""
    return f", {duration((at - publication.saved_at).total_seconds())} after the save"


def names(items: list[str]) -> str:
    """“a”, “a and b”, “a, b, c and 4 more”; "" for none."""
    shown = items[:MOST_NAMED]
    if len(items) > MOST_NAMED:
        shown = [*shown, f"{len(items) - MOST_NAMED} more"]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def duration(seconds: float) -> str:
    """0.04 s, 0.2 s, 40 s, 3 min, 5 h."""
    for limit, unit, name in ((7200.0, 3600, "h"), (120.0, 60, "min"), (10.0, 1, "s")):
        if seconds >= limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.1f} s" if seconds >= 0.1 else f"{max(seconds, 0.0):.2f} s"


def clock(moment: datetime) -> str:
    """The time of day in the project's time zone, with the date unless it is today."""
    local = timezone.localtime(moment)
    today = local.date() == timezone.localdate()
    return f"{local:%H:%M:%S}" if today else f"{local:%Y-%m-%d %H:%M:%S}"
