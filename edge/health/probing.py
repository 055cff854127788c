"""Probing: `GET /healthz` of many edges at once, each with a deadline of its own.

Whatever may stand at a status address (nothing, another program, one that hangs, drips or never ends),
a probe ends in time with half a sentence on what is wrong. Redirects are not followed, proxies not used.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from nodes.addresses import address_refusal
from nodes.models import Node

#: Bytes that an answer may have. An edge's has one or two thousand.
LONGEST = 65_536
#: Probes begin so many seconds after each other, so that hundreds do not slow each other beyond their
#: deadline; all have begun after this share of the interval.
GAP, RAMP = 0.002, 0.25
#: Sentences, and characters of one, that are kept of what an edge says of itself.
MOST_PROBLEMS, LONGEST_PROBLEM = 10, 300
#: Facts of /healthz that are kept: name there → text, number (float) or flag.
FACTS: Mapping[str, type] = {
    "contact_age": float,
    "clock_skew": float,
    "rev": float,
    "domains": float,
    "config_errors": float,
    "catching_up": bool,
    "redis": str,
    "version": str,
}
#: Numbers that stand in groups there: name here → group, name in it.
GROUPED_FACTS = {
    "free_bytes": ("cache", "free_bytes"),
    "min_free_bytes": ("cache", "min_free_bytes"),
    "origin_errors": ("origins", "errors"),
    "origin_timeouts": ("origins", "timeouts"),
}


@dataclass(frozen=True)
class Probe:
    """What one probe has found: `why` is half a sentence where not `ok`; `status` 0 without an answer."""

    ok: bool
    why: str = ""
    status: int = 0
    ms: float = 0.0
    view: Mapping[str, Any] = field(default_factory=dict)


class Wrong(Exception):
    """This answer is not one of a healthy edge; the text says why."""


async def probe_all(
    nodes: Iterable[Node], *, timeout: float, interval: float, allow: Iterable[str]
) -> dict[str, Probe]:
    """Probe all of them concurrently: name → what was found, after at most
    `RAMP * interval + timeout` seconds and what the work itself takes."""
    wanted, networks = list(nodes), list(allow)
    gap = min(GAP, RAMP * interval / max(1, len(wanted)))
    no_reuse = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx2.AsyncClient(trust_env=False, limits=no_reuse, timeout=None) as client:
        tasks: dict[str, asyncio.Task[Probe]] = {}
        begun = time.monotonic()
        for number, node in enumerate(wanted):
            # By the clock, not by adding up pauses: those are never as short as asked for.
            await asyncio.sleep(max(0.0, begun + number * gap - time.monotonic()))
            probing = probe(client, node, timeout=timeout, allow=networks)
            tasks[node.name] = asyncio.create_task(probing)
        return {name: await task for name, task in tasks.items()}


async def probe(
    client: httpx2.AsyncClient, node: Node, *, timeout: float, allow: Iterable[str] = ()
) -> Probe:
    """Ask one node's edge. Never raises."""
    begun = time.perf_counter()
    status, view = 0, {}
    try:
        if refusal := address_refusal(node.status_host, allow=allow):
            raise Wrong(f"it is not asked: {refusal}")
        async with asyncio.timeout(timeout):
            async with client.stream("GET", f"http://{node.status_authority}/healthz") as response:
                status = response.status_code
                body = await _bounded(response)
        view = healthz_view(body)
        why = healthz_problem(body, status=status, node=node.name)
    except Wrong as wrong:
        why = str(wrong)
    except TimeoutError:
        why = f"no whole answer within {timeout:g} s"
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        why = _reason(error)
    ms = round((time.perf_counter() - begun) * 1000, 1)
    return Probe(ok=not why, why=why, status=status, ms=ms, view=view)


def healthz_problem(body: bytes, *, status: int, node: str) -> str:
    """Why this is not the answer of this node's healthy edge, as half a sentence; "" where it is."""
    said = _json(body)
    if said is None or not isinstance(said.get("status"), str):
        return f"something else than an edge answers there (status {status})"
    if said.get("node") != node:
        return f"another edge answers there: {str(said.get('node'))[:63]}"
    if status != 200 or said["status"] not in ("ok", "warning"):
        problems = healthz_view(body).get("problems") or [f"its status is {status}"]
        return f"it says: {problems[0]}"
    return ""


def healthz_view(body: bytes) -> dict[str, Any]:
    """What an edge says of itself, as far as it has the form that it should: no edge is trusted with that."""
    said = _json(body)
    if said is None:
        return {}
    view = {name: said[name] for name, kind in FACTS.items() if _is_sane(said.get(name), kind)}
    problems = said.get("problems")
    if isinstance(problems, list):
        view["problems"] = [str(problem)[:LONGEST_PROBLEM] for problem in problems[:MOST_PROBLEMS]]
    for name, (group, field_name) in GROUPED_FACTS.items():
        found = said.get(group)
        if isinstance(found, dict) and _is_sane(found.get(field_name), float):
            view[name] = found[field_name]
    return view


async def _bounded(response: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > LONGEST:
            raise Wrong(f"its answer is longer than {LONGEST:,} bytes")
    return bytes(body)


def _is_sane(value: Any, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if isinstance(value, str):
        return kind is str and len(value) <= 63
    return isinstance(value, (int, float)) and kind is not str and abs(value) < 1e18  # nor is NaN


def _json(body: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _reason(error: Exception) -> str:
    if isinstance(error, httpx2.ConnectError):
        return "nothing can be connected to at its status port"
    if isinstance(error, httpx2.RemoteProtocolError):
        return f"what answers there does not speak HTTP ({str(error)[:LONGEST_PROBLEM]})"
    return f"it could not be asked ({str(error)[:LONGEST_PROBLEM] or type(error).__name__})"
