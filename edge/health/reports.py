"""What the vantage points have found out, in Redis: `cdn:health:{node}` and `cdn:health-asked`."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge import keyspace
from edge.errors import RedisUnreachable
from edge.store import reaching_redis
from nodes.health.damping import Damping, Verdict
from nodes.health.votes import STALE_AFTER, Report

#: Seconds that a report is kept. It has no vote long before that; people see how old it is.
KEPT = 3_600
#: Seconds without any asking after which it begins anew: nobody is silent because beat has been away.
ASKED_KEPT = 900


@dataclass(frozen=True)
class Known:
    """What Redis knows of some nodes. `now`: Unix time on its clock. `failure`: why nothing is known."""

    now: float = 0.0
    reports: Mapping[str, Mapping[str, Report]] = field(default_factory=dict)
    asked: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""

    def of(self, node: str) -> Mapping[str, Report]:
        return self.reports.get(node, {})

    def silent(self, *, interval: float) -> set[str]:
        """The vantage points that have been asked, and have not reported, for too long."""
        return {vantage for vantage, since in self.asked.items() if self.now - since > STALE_AFTER * interval}


def require_known(nodes: Iterable[str]) -> Known:
    """What is known of these nodes, in one round trip. Raises `RedisUnreachable`."""
    names = list(nodes)
    with reaching_redis() as client:
        pipe = client.pipeline(transaction=False)
        pipe.time()
        pipe.hgetall(keyspace.HEALTH_ASKED)
        for name in names:
            pipe.hgetall(keyspace.health_key(name))
        (seconds, microseconds), asked, *hashes = pipe.execute()
    return Known(
        now=seconds + microseconds / 1e6,
        reports={name: _parse(fields) for name, fields in zip(names, hashes, strict=True)},
        asked={vantage: _number(since) for vantage, since in asked.items()},
    )


def read_known(nodes: Iterable[str]) -> Known:
    """The same for people: with Redis down nothing is known, and `failure` says so."""
    try:
        return require_known(nodes)
    except RedisUnreachable as error:
        return Known(failure=error.what)


def write_asked(vantages: Iterable[str]) -> None:
    """Note that these vantage points are asked now; since when, where they were before. May raise
    `RedisUnreachable`."""
    with reaching_redis() as client:
        seconds, microseconds = client.time()
        pipe = client.pipeline(transaction=False)
        for vantage in vantages:
            pipe.hsetnx(keyspace.HEALTH_ASKED, vantage, f"{seconds + microseconds / 1e6:.3f}")
        pipe.expire(keyspace.HEALTH_ASKED, ASKED_KEPT)
        pipe.execute()


def write_reports(vantage: str, reports: Mapping[str, Report]) -> None:
    """Write what one vantage point has found, and that it has answered. May raise `RedisUnreachable`."""
    with reaching_redis() as client:
        pipe = client.pipeline(transaction=False)
        for node, report in reports.items():
            pipe.hset(keyspace.health_key(node), vantage, encode(report))
            pipe.expire(keyspace.health_key(node), KEPT)
        pipe.hdel(keyspace.HEALTH_ASKED, vantage)
        pipe.execute()


def redis_time() -> float:
    """Unix time on Redis's clock, which all vantage points share. May raise `RedisUnreachable`."""
    with reaching_redis() as client:
        seconds, microseconds = client.time()
    return seconds + microseconds / 1e6


def encode(report: Report) -> str:
    """The JSON of a report, with the fields of `keyspace.HEALTH_FIELDS`."""
    damping = report.damping
    counts = {"verdict": damping.verdict, "fails": damping.fails, "streak": damping.streak}
    found = {"why": report.why, "status": report.status, "ms": report.ms, "view": dict(report.view)}
    said = {"at": round(report.at, 3), "ok": report.ok, **counts, "trial": report.trial, **found}
    return json.dumps(said, ensure_ascii=True)


def decode(text: str) -> Report | None:
    """The report in this JSON; None where it is none (another version of Cirrus may have written it)."""
    try:
        said = json.loads(text)
        damping = Damping(Verdict(said["verdict"]), fails=int(said["fails"]), streak=int(said["streak"]))
        return Report(
            at=float(said["at"]),
            ok=said["ok"] is True,
            damping=damping,
            trial=int(said["trial"]),
            why=str(said["why"]),
            status=int(said["status"]),
            ms=float(said["ms"]),
            view=_view(said["view"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _view(said: Any) -> dict[str, Any]:
    return said if isinstance(said, dict) else {}


def _parse(fields: Mapping[str, str]) -> dict[str, Report]:
    decoded = {vantage: decode(text) for vantage, text in fields.items()}
    return {vantage: report for vantage, report in decoded.items() if report}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
