"""Where a purge has come to. Pure: facts in, sentences out.

An edge has a purge when its acknowledgement has reached the revision of the document that first carried
it, or of one that carries it now, and it refuses no such document.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from edge.acks import Acks, milliseconds
from edge.models import Kind, Publication, Purge
from edge.statuses import Tone, clock, duration, names

Answer = Literal["applied", "pending", "refused", "unknown"]


@dataclass(frozen=True)
class EdgePurge:
    """One edge's answer to a purge."""

    node: str
    answer: Answer
    why: str = ""


@dataclass(frozen=True)
class PurgeStatus:
    """One honest line on a purge, without a full stop; `finished`: nothing more will happen to it."""

    tone: Tone
    sentence: str
    finished: bool = False
    edges: Sequence[EdgePurge] = field(default_factory=tuple)

    @property
    def applied(self) -> int:
        return sum(1 for edge in self.edges if edge.answer == "applied")


def edge_answers(
    purge: Purge, carrier: Publication | None, serving: Sequence[str], acks: Acks
) -> list[EdgePurge]:
    """What each serving edge says. `carrier`: the domain's purge document as it is published now."""
    return [_answer(purge, carrier, name, acks) for name in serving]


def _answer(purge: Purge, carrier: Publication | None, name: str, acks: Acks) -> EdgePurge:
    if acks.failure:
        return EdgePurge(name, "unknown", acks.failure)
    ack = acks.of(name)
    positions = [(purge.epoch or 0, purge.rev or 0)]
    keys = {purge.host}
    if carrier:
        positions.append((carrier.epoch, carrier.rev))
        keys.add(carrier.key)
    for key in keys:
        # A later refusal hides an earlier one of the same document, so any since then counts.
        refused, why = ack.refused(document=f"{Kind.PURGE}:{key}")
        if refused >= min(positions):
            return EdgePurge(name, "refused", why)
    if not any(ack.has(epoch=epoch, rev=rev) for epoch, rev in positions):
        silence = "" if ack.heard else "never heard of"
        if ack.age is not None and not ack.heard:
            silence = f"silent for {duration(ack.age)}"
        return EdgePurge(name, "pending", silence)
    if ack.refusals_cut:
        return EdgePurge(
            name, "refused", "it refuses more documents than it can list; its error log names all"
        )
    return EdgePurge(name, "applied")


def purge_line(
    purge: Purge, edges: Sequence[EdgePurge], *, failure: str, error: str, at: datetime | None
) -> PurgeStatus:
    """The line of a purge. `failure`: why it is not even in Redis; `error`: why it cannot be published."""
    if purge.state == Purge.State.VOID:
        return PurgeStatus("off", "nothing to purge: the domain was deleted before", finished=True)
    if purge.state == Purge.State.DONE:
        on = f"done: on {purge.done_by} of {purge.done_by} edges"
        return PurgeStatus("ok", on + _after(purge, purge.done_at), True, edges)
    if purge.state == Purge.State.QUEUED:
        if error:
            return PurgeStatus("refused", f"cannot be published: {error}", edges=edges)
        why = failure or "it waits for its turn"
        return PurgeStatus("pending", f"queued since {clock(purge.created_at)}: {why}", edges=edges)
    return _sent_line(purge, edges, at)


def _sent_line(purge: Purge, edges: Sequence[EdgePurge], at: datetime | None) -> PurgeStatus:
    if not edges:
        return PurgeStatus("pending", "published; no edge is up to apply it", edges=edges)
    if unknown := next((edge.why for edge in edges if edge.answer == "unknown"), ""):
        when = f"published at {clock(purge.published_at or purge.created_at)}"
        return PurgeStatus("pending", f"{when}; on which edges is not known: {unknown}", edges=edges)
    applied = sum(1 for edge in edges if edge.answer == "applied")
    on = f"applied on {applied} of {len(edges)} edges"
    if refused := [edge for edge in edges if edge.answer == "refused"]:
        by = names([edge.node for edge in refused])
        return PurgeStatus("refused", f"{on}, refused by {by}: {refused[0].why}", edges=edges)
    if waiting := [edge for edge in edges if edge.answer == "pending"]:
        whom = names([edge.node + (f" ({edge.why})" if edge.why else "") for edge in waiting])
        return PurgeStatus("pending", f"{on}, waiting for {whom}", edges=edges)
    return PurgeStatus("ok", f"done: on {applied} of {len(edges)} edges{_after(purge, at)}", True, edges)


def done_time(purge: Purge, serving: Sequence[str], acks: Acks) -> datetime | None:
    """When the last serving edge had it; None where that cannot be told any more.

    Measured by Redis's clock alone, as for a publication (`edge.statuses.applied_time`).
    """
    if purge.epoch is None or purge.rev is None or purge.published_at is None:
        return None
    times = [
        acks.histories[name].applied_ms(epoch=purge.epoch, rev=purge.rev, stream_id=purge.stream_id)
        for name in serving
        if name in acks.histories
    ]
    known = [at for at in times if at is not None]
    if not known or len(known) < len(serving):
        return None
    return purge.published_at + timedelta(milliseconds=max(known) - milliseconds(purge.stream_id))


def _after(purge: Purge, at: datetime | None) -> str:
    return f", {duration((at - purge.created_at).total_seconds())} after the request" if at else ""
