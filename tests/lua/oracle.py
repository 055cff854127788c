"""What the operator is promised of cache rules, said a second time in plain Python.

Written from the description (docs/edge.md, "Cache rules") in another way than the Lua, and slow on purpose.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

MONTH = 30 * 24 * 3600


@dataclass
class Request:
    """A request as rules see it: the URL is normalized, names of headers are in lower case."""

    path: str = "/"
    query: str | None = None
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    country: str | None = None
    address: str | None = None


def first_match(rules: list[dict[str, Any]], request: Request) -> dict[str, Any] | None:
    """The first rule that is for this request."""
    for rule in rules:
        verdicts = [holds(condition, request) for condition in rule["when"]]
        if not verdicts or (all(verdicts) if rule["match"] == "all" else any(verdicts)):
            return rule
    return None


def holds(condition: dict[str, Any], request: Request) -> bool:
    return has(condition, request) != condition.get("negate", False)


def has(condition: dict[str, Any], request: Request) -> bool:
    values = condition["values"]
    match condition["what"]:
        case "path":
            return any(path_is(condition["how"], value, request.path) for value in values)
        case "extension":
            name = request.path.rsplit("/", 1)[-1]
            return "." in name and name.rsplit(".", 1)[-1].lower() in values
        case "method":
            return request.method in values
        case "country":
            return request.country in values
        case "network":
            networks = [ipaddress.ip_network(value) for value in values]
            return request.address is not None and any(
                ipaddress.ip_address(request.address) in network for network in networks
            )
        case "header":
            return among(request.headers.get(condition["name"]), values)
        case "cookie":
            return among(request.cookies.get(condition["name"]), values)
        case "query":
            name = condition["name"].encode()
            return any(
                unquote_to_bytes(given) == name and among(unquote(value), values)
                for given, value in arguments(request.query)
            )
    raise AssertionError(condition)


def among(value: str | None, values: list[str]) -> bool:
    return value is not None and (not values or value in values)


def path_is(how: str, value: str, path: str) -> bool:
    if how == "prefix":
        return path.startswith(value)
    if how == "regex":
        return re.search(value, path) is not None
    translated = "".join(
        {"**": ".*", "*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece))
        for piece in re.findall(r"\*\*|\*|\?|[^*?]+", value)
    )
    return re.fullmatch(translated, path, re.DOTALL) is not None


def arguments(query: str | None) -> list[tuple[str, str]]:
    if query is None:
        return []
    return [(text.partition("=")[0], text.partition("=")[2]) for text in query.split("&")]


def key(request: Request, act: dict[str, Any] | None) -> tuple[Any, ...]:
    """What tells two objects apart: not how the edge spells it, but everything that it must depend on."""
    act = act or {}
    parts: list[Any] = [request.path, selected(request.query, act.get("query", {"mode": "all"}))]
    parts += [("header", name, request.headers.get(name)) for name in act.get("key_headers", [])]
    parts += [("cookie", name, request.cookies.get(name)) for name in act.get("key_cookies", [])]
    if act.get("key_device"):
        parts.append(("device", device(request.headers.get("user-agent", ""))))
    return tuple(parts)


def selected(query: str | None, rule: dict[str, Any]) -> str | None:
    if query is None or rule["mode"] == "none":
        return None
    names = [name.encode() for name in rule.get("names", [])]
    kept = [
        text
        for text in query.split("&")
        if rule["mode"] == "all"
        or (unquote_to_bytes(text.partition("=")[0]) in names) == (rule["mode"] == "only")
    ]
    if rule.get("sort"):
        kept.sort(key=lambda text: unquote_to_bytes(text.partition("=")[0]))
    return "&".join(kept) if kept else None


def spelled(parts: tuple[Any, ...]) -> str:
    """The key as the edge spells it."""
    path, query, *rest = parts
    words = [path if query is None else f"{path}?{query}"]
    for kind, *named in rest:
        if kind == "device":
            words.append(f"d:{named[0]}")
        elif named[1] is not None:
            words.append(f"{kind[0]}:{quote(named[0], safe='')}={quote(named[1], safe='')}")
    return " ".join(words)


def device(user_agent: str) -> str:
    text = user_agent.lower()
    if re.search(r"ipad|tablet|kindle|silk/|playbook", text):
        return "tablet"
    if "android" in text and "mobile" not in text:
        return "tablet"
    return "mobile" if re.search(r"mobi|iphone|ipod|opera mini|blackberry", text) else "desktop"


@dataclass
class Answer:
    """An answer of the origin, with what Cache-Control says as names and numbers of seconds (or None)."""

    status: int = 200
    said: dict[str, int | None] = field(default_factory=dict)
    cookie: bool = False
    authorization: bool = False
    vary_star: bool = False


@dataclass
class Fate:
    """What becomes of an answer: seconds; a `ttl` of 0 is not stored."""

    ttl: int = 0
    stale_error: int = 0
    stale_update: int = 0


BY_DEFAULT = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501}


def fate(answer: Answer, cache: dict[str, Any], act: dict[str, Any] | None) -> Fate:
    """How long the answer stays, in a world of origins without Age, Expires and validators."""
    act = act or {}
    if act.get("bypass") or answer.vary_star or answer.status in (206, 304):
        return Fate()
    force = act.get("force", False)
    if not force and prohibited(answer, strip_cookies=act.get("strip_cookies", False)):
        return Fate()
    ranges = [r["ttl"] for r in act.get("ttl_by_status", []) if r["from"] <= answer.status <= r["to"]]
    ruled = ranges[0] if ranges else act.get("edge_ttl") if 200 <= answer.status <= 399 else None
    from_origin = explicit(answer)
    ttl = ruled
    if ttl is None:
        ttl = from_origin
        if ttl is None and answer.status in BY_DEFAULT:
            ttl = cache["negative_ttl"] if answer.status in (404, 410) else cache["default_ttl"]
        if ttl is not None and answer.status >= 500:
            ttl = min(ttl, 60)
    if ttl is None or min(ttl, cache["max_ttl"]) <= 0:
        return Fate()
    ttl = min(ttl, cache["max_ttl"], MONTH)
    chosen = ruled is None and from_origin is not None
    on_error, on_update = windows(answer, ttl, cache, act, chosen_by_origin=chosen)
    return Fate(ttl, min(on_error, MONTH - ttl), min(on_update, MONTH - ttl))


def prohibited(answer: Answer, *, strip_cookies: bool) -> bool:
    said = answer.said.keys()
    if said & {"no-store", "private", "no-cache"}:
        return True
    if answer.cookie and not strip_cookies:
        return True
    return answer.authorization and not said & {"public", "s-maxage", "must-revalidate"}


def explicit(answer: Answer) -> int | None:
    return answer.said.get("s-maxage", answer.said.get("max-age"))


def windows(
    answer: Answer, ttl: int, cache: dict[str, Any], act: dict[str, Any], *, chosen_by_origin: bool
) -> tuple[int, int]:
    force = act.get("force", False)
    if not force and answer.said.keys() & {"must-revalidate", "proxy-revalidate"}:
        return 0, 0
    silent = force or "s-maxage" not in answer.said
    on_error = cache["stale_if_error"] if silent else 0
    on_update = cache["stale_while_revalidate"] if silent else 0
    if chosen_by_origin:
        on_update = min(on_update, int(Fraction(ttl, 10)))
    return (
        first_number(act.get("stale_if_error"), answer.said.get("stale-if-error"), on_error),
        first_number(act.get("stale_while_revalidate"), answer.said.get("stale-while-revalidate"), on_update),
    )


def first_number(*numbers: int | None) -> int:
    return next(number for number in numbers if number is not None)
