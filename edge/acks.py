"""What the edges say of themselves in `cdn:ack:{node}` and `cdn:acks:{node}`.

An edge may be old, broken or not ours any more, so nothing that it says is trusted to have a form.
"""

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge import keyspace
from edge.errors import RedisUnreachable
from edge.store import reaching_redis

#: An edge refreshes its acknowledgement every 2 s; one that has not for so long is silent.
SILENT_AFTER = 15.0
#: Refusals and orphans that an edge may tell of.
MOST_NAMES = 20


@dataclass(frozen=True)
class Ack:
    """The acknowledgement of one edge. `age`: seconds since it was written, None where there is none."""

    age: float | None = None
    epoch: int = 0
    rev: int = 0
    state: str = ""
    config_errors: int = 0
    refusals: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    refusals_cut: bool = False
    orphans: int = 0
    orphan_names: list[str] = field(default_factory=list)
    version: str = ""
    skew: float = 0.0
    domains: int = 0
    #: The IDs of the keys with which it can open private keys, the newest first.
    keys: tuple[str, ...] = ()

    @property
    def heard(self) -> bool:
        return self.age is not None and self.age <= SILENT_AFTER

    def has(self, *, epoch: int, rev: int) -> bool:
        """Whether this edge has handled the change (it may have refused its document)."""
        return self.epoch == epoch and self.rev >= rev

    def refused(self, *, document: str) -> tuple[tuple[int, int], str]:
        """The (epoch, revision) of `kind:key` that it refused last, and why; (0, 0) where it does not."""
        said = self.refusals.get(document, {})
        position = _integer(said.get("epoch")), _integer(said.get("rev"))
        return position, str(said.get("why") or "no reason given")

    def refusal(self, *, document: str, epoch: int, rev: int) -> str:
        """Why it refuses this revision of `kind:key`, or "" where it does not."""
        said = self.refusals.get(document, {})
        if (_integer(said.get("epoch")), _integer(said.get("rev"))) == (epoch, rev):
            return str(said.get("why") or "no reason given")
        if self.refusals_cut and self.has(epoch=epoch, rev=rev):
            return "it refuses more documents than it can list, perhaps this one; its error log names all"
        return ""


@dataclass(frozen=True)
class History:
    """When an edge had applied what, on Redis's clock: (milliseconds, epoch, revision), in order."""

    entries: list[tuple[int, int, int]] = field(default_factory=list)

    def applied_ms(self, *, epoch: int, rev: int, stream_id: str) -> int | None:
        """When it acknowledged this revision; None where its entry has been trimmed."""
        start = bisect_left(self.entries, (milliseconds(stream_id), 0, 0))
        for at, ack_epoch, ack_rev in self.entries[start:]:
            if ack_epoch == epoch and ack_rev >= rev:
                return at
        return None


@dataclass(frozen=True)
class Acks:
    """The acknowledgements of some edges; `failure` says why they could not be read."""

    failure: str = ""
    by_node: Mapping[str, Ack] = field(default_factory=dict)
    histories: Mapping[str, History] = field(default_factory=dict)

    def of(self, node: str) -> Ack:
        return self.by_node.get(node, Ack())


def read_acks(nodes: Iterable[str], *, since: str = "") -> Acks:
    """One round trip for all; with the histories from the stream id `since`, where one is given."""
    names = list(nodes)
    try:
        with reaching_redis() as client:
            pipe = client.pipeline(transaction=False)
            pipe.time()
            for name in names:
                pipe.hgetall(keyspace.ack_key(name))
                if since:
                    pipe.xrange(keyspace.acks_key(name), min=str(milliseconds(since)))
            (seconds, microseconds), *answers = pipe.execute()
    except RedisUnreachable as error:
        return Acks(failure=error.what)
    now = seconds + microseconds / 1e6
    said = answers[::2] if since else answers
    past = answers[1::2] if since else [[] for _ in names]
    return Acks(
        by_node={name: parse_ack(fields, now=now) for name, fields in zip(names, said, strict=True)},
        histories={name: _parse_history(entries) for name, entries in zip(names, past, strict=True)},
    )


def parse_ack(fields: Mapping[str, str], *, now: float) -> Ack:
    """Make sense of the hash; `now` is Redis's time. What has no sense counts as not said."""
    if not fields:
        return Ack()
    skew = _number(fields.get("skew"))
    return Ack(
        # `at` is the edge's clock; less its skew it is Redis's, as is `now`.
        age=max(0.0, now - (_number(fields.get("at")) - skew)),
        epoch=_integer(fields.get("epoch")),
        rev=_integer(fields.get("rev")),
        state=fields.get("state", ""),
        config_errors=_integer(fields.get("config_errors")),
        refusals=_parse_refusals(fields.get("refusals", "")),
        refusals_cut=fields.get("refusals_cut") == "1",
        orphans=_integer(fields.get("orphans")),
        orphan_names=_parse_names(fields.get("orphan_names", "")),
        version=fields.get("version", ""),
        skew=skew,
        domains=_integer(fields.get("domains")),
        keys=tuple(filter(None, fields.get("keys", "").split(",")[:MOST_NAMES])),
    )


def milliseconds(stream_id: str) -> int:
    """The time in a stream id: `1763971200123-0` → 1763971200123."""
    return _integer(stream_id.partition("-")[0])


def _parse_history(entries: list[tuple[str, dict[str, str]]]) -> History:
    return History(
        [
            (milliseconds(entry_id), _integer(fields.get("epoch")), _integer(fields.get("rev")))
            for entry_id, fields in entries
        ]
    )


def _parse_refusals(text: str) -> dict[str, dict[str, Any]]:
    said = _json(text)
    if not isinstance(said, dict):
        return {}
    return {name: why for name, why in list(said.items())[:MOST_NAMES] if isinstance(why, dict)}


def _parse_names(text: str) -> list[str]:
    said = _json(text)
    return [str(name) for name in said[:MOST_NAMES]] if isinstance(said, list) else []


def _json(text: str) -> Any:
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return None


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if abs(number) < 1e15 else 0.0  # no edge is heard in the year 30 million; nor is NaN


def _integer(value: Any) -> int:
    return int(_number(value))
