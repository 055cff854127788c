"""Probing nodes, deciding on their states, and raising the alarms that belong to it.

Nothing here trusts a single probe, a single vantage point or itself: see `nodes.health`.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis
from django.conf import settings

from alarms.models import Alarm
from alarms.services import alarms_settle
from edge import keyspace
from edge.health.judging import decision_on, watched
from edge.health.probing import Probe, probe_all
from edge.health.reports import Known, redis_time, require_known, write_asked, write_reports
from edge.store import reaching_redis
from nodes.health.damping import Damping, Rules, observe, proven
from nodes.health.decision import Decision, Left, short_regions
from nodes.health.votes import Report
from nodes.models import Node
from nodes.services import nodes_settle

logger = logging.getLogger(__name__)

#: Seconds after which the lock of a decision that was killed is free again, and that one waits for it.
DECISION_TIME, DECISION_PATIENCE = 30, 1.0
#: Seconds beyond its interval and its timeout that a round may take before another may begin.
ROUND_SLACK = 5

#: Kinds of alarms: a region of which too little is up, a vantage point without a vote, too few with one.
REGION_ALARM, VANTAGE_ALARM, BLIND_ALARM = "region_share", "vantage_point", "health_blind"


@dataclass(frozen=True)
class Round:
    """One round of probes from one vantage point."""

    vantage: str
    probed: int
    ok: int
    seconds: float


def vantages_ask() -> list[str]:
    """The vantage points that are to probe now. Raises `RedisUnreachable`.

    Where one has been asked in vain for too long, this decides itself: perhaps nobody else is left to.
    """
    vantages = list(settings.CIRRUS.vantage_points)
    write_asked(vantages)
    if require_known([]).silent(interval=settings.CIRRUS.health_interval) & set(vantages):
        health_decide()
    return vantages


def vantage_probe(*, vantage: str) -> Round | None:
    """Probe all nodes that are not in maintenance from here, report it, and decide.

    None where another round of this vantage point is still under way. Raises `RedisUnreachable`.
    """
    config = settings.CIRRUS
    longest = config.health_interval + config.health_timeout + ROUND_SLACK
    with _only_one(keyspace.probe_lock(vantage), seconds=longest) as mine:
        if not mine:
            logger.warning("the last round of probes from %s is still under way", vantage)
            return None
        begun = time.monotonic()
        nodes = list(Node.objects.exclude(state=Node.State.MAINTENANCE))
        known = require_known(node.name for node in nodes)
        probes = nodes_probe(nodes)
        at = redis_time()
        reports = {node.name: _report(node, vantage, known, probes[node.name], at=at) for node in nodes}
        write_reports(vantage, reports)
        seconds = time.monotonic() - begun
    health_decide()
    return Round(vantage, len(probes), sum(probe.ok for probe in probes.values()), seconds)


def nodes_probe(nodes: Iterable[Node]) -> dict[str, Probe]:
    """Probe these nodes now from here, without reporting it: name → what was found."""
    config = settings.CIRRUS
    return asyncio.run(
        probe_all(
            nodes,
            timeout=config.health_timeout,
            interval=config.health_interval,
            allow=config.origin_allow,
        )
    )


def health_decide() -> Decision | None:
    """Change the states that must change, and settle the alarms. None where another process is at it."""
    with _only_one(keyspace.HEALTH_LOCK, seconds=DECISION_TIME, patience=DECISION_PATIENCE) as mine:
        if not mine:
            return None
        nodes = list(Node.objects.exclude(state=Node.State.MAINTENANCE).select_related("region"))
        known = require_known(node.name for node in nodes)
        decision = decision_on(nodes, known)
        for change in decision.changes:
            logger.warning("%s: %s → %s, %s", change.node, change.old, change.new, change.reason)
        if decision.changes:
            nodes_settle(changes=decision.changes)
        _settle_alarms(decision)
        return decision


def health_rules() -> Rules:
    """The damping that the settings ask for."""
    return Rules(rise=settings.CIRRUS.health_rise, fall=settings.CIRRUS.health_fall)


def _report(node: Node, vantage: str, known: Known, probe: Probe, *, at: float) -> Report:
    rules = health_rules()
    before = known.of(node.name).get(vantage)
    interval = settings.CIRRUS.health_interval
    if before and before.trial == node.trial and before.is_fresh(now=known.now, interval=interval):
        damping = before.damping
    else:
        # Nothing is known, or what is known counts no more: a serving node is given credit, no other.
        damping = proven(rules) if node.state == Node.State.UP else Damping()
    return Report(
        at=at,
        ok=probe.ok,
        damping=observe(damping, ok=probe.ok, rules=rules),
        trial=node.trial,
        why=probe.why,
        status=probe.status,
        ms=probe.ms,
        view=probe.view,
    )


def _settle_alarms(decision: Decision) -> None:
    share = settings.CIRRUS.safety_share
    nodes = [watched(node) for node in Node.objects.select_related("region")]
    critical = Alarm.Severity.CRITICAL
    regions = {
        region: _short_sentence(region, left, share=share)
        for region, left in short_regions(nodes, share=share).items()
    }
    alarms_settle(kind=REGION_ALARM, sentences=regions, severity=critical)
    voiceless = {
        vantage: (
            f"The vantage point {vantage} has no vote on nodes: {why}. "
            f"Is a worker running for {queue_of(vantage)}?"
        )
        for vantage, why in decision.voiceless.items()
    }
    alarms_settle(kind=VANTAGE_ALARM, sentences=voiceless)
    blind = {
        "nodes": "Fewer than half of the vantage points have a vote: no node changes its state by itself."
    }
    alarms_settle(kind=BLIND_ALARM, sentences=blind if decision.blind else {}, severity=critical)


def _short_sentence(region: str, left: Left, *, share: float) -> str:
    if not left.up:
        return (
            f"No node of the region {region} is up ({left.serving} down). The DNS answers with its backups, "
            "else with other regions, and where nothing is up anywhere with all nodes."
        )
    return (
        f"Only {left.up} of {left.serving} nodes of the region {region} are up, less than a share of "
        f"{share:.0%} (CIRRUS_SAFETY_SHARE). The DNS answers with all of them."
    )


def queue_of(vantage: str) -> str:
    """What a worker must listen to for this vantage point, in words."""
    return "the default queue" if vantage == "local" else f"the queue probe-{vantage}"


@contextmanager
def _only_one(key: str, *, seconds: float, patience: float = 0) -> Iterator[bool]:
    """Hold a lock in Redis, or yield False where another holds it for longer than `patience`."""
    with reaching_redis() as client:
        lock = client.lock(key, timeout=seconds, sleep=0.02)
        mine = lock.acquire(blocking=patience > 0, blocking_timeout=patience or None)
    try:
        yield mine
    finally:
        if mine:
            with reaching_redis():
                try:
                    lock.release()
                except redis.exceptions.LockError:
                    logger.warning("%s expired before its work was done", key)
