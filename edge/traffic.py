"""The traffic of a domain by minute, as the edges have counted it in `cdn:stats:{node}:{minute}`.

An edge may be old, broken or not ours any more, so nothing that it says is trusted to have a form.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from edge import keyspace
from edge.errors import RedisUnreachable
from edge.store import reaching_redis

HOUR, DAY = 60, 1440
#: Fields asked for in one round trip.
BATCH = 2_000
#: Paths that are shown.
TOP = 10
#: The classes of status codes.
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


@dataclass
class Traffic:
    """Sums over edges and minutes. `origin_ms`: milliseconds that origins took for `origin_requests`."""

    requests: int = 0
    bytes: int = 0
    hit: int = 0
    stale: int = 0
    miss: int = 0
    bypass: int = 0
    origin_requests: int = 0
    origin_ms: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)

    def add(self, said: Any) -> None:
        """Add what one edge says of one minute; what has no sense counts as nothing."""
        if not isinstance(said, dict):
            return
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + _count(said.get(name)))
        self.classes.update({name: _count(said.get(name)) for name in CLASSES})
        paths = said.get("paths")
        for pair in paths if isinstance(paths, list) else []:
            if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str):
                self.paths[pair[0]] += _count(pair[1])

    @property
    def hit_ratio(self) -> float | None:
        """The share of the requests that were answered from a cache; None without requests."""
        return (self.hit + self.stale) / self.requests if self.requests else None

    @property
    def origin_seconds(self) -> float | None:
        """How long an origin took on average; None where none was asked."""
        return self.origin_ms / 1000 / self.origin_requests if self.origin_requests else None

    @property
    def top_paths(self) -> list[tuple[str, int]]:
        """The most frequent paths: each edge tells the ten of each minute, so counts may be too small."""
        return sorted(self.paths.items(), key=lambda item: (-item[1], item[0]))[:TOP]


NUMBERS = [each.name for each in fields(Traffic) if each.type is int]


@dataclass
class TrafficReport:
    """A stretch of minutes, the newest last. `failure` says why nothing is known."""

    first_minute: int
    requests: list[int]
    total: Traffic
    failure: str = ""


def read_traffic(*, host: str, nodes: Iterable[str], minutes: int, now: float) -> TrafficReport:
    """The last `minutes` of a domain, the running one included, over these edges; `now`: Unix seconds."""
    first = int(now // 60) - minutes + 1
    report = TrafficReport(first, [0] * minutes, Traffic())
    keys = [(n, keyspace.stats_key(node, first + n)) for node in nodes for n in range(minutes)]
    try:
        for start in range(0, len(keys), BATCH):
            batch = keys[start : start + BATCH]
            for (n, _), text in zip(batch, _read([key for _, key in batch], host), strict=True):
                before = report.total.requests
                report.total.add(_decoded(text))
                report.requests[n] += report.total.requests - before
    except RedisUnreachable as error:
        report.failure = error.what
    except UnicodeDecodeError:
        report.failure = "what an edge has counted cannot be read"
    return report


def _read(keys: list[str], host: str) -> list[str | None]:
    with reaching_redis() as client:
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.hget(key, host)
        return pipe.execute()


def _decoded(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except ValueError:
        return None


def _count(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**63 else 0
