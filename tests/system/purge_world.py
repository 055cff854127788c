"""What the property test of purges plays with: two edges, an origin that counts, clients that never rest.

Each answer carries its version, a number that grows with every fetch. A purge that was asked for when the
origin stood at version 40 forbids every request that starts after an edge has acknowledged it to get a
version up to 40 from that edge. That is all that a client can see of a purge, so it is all that is checked.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import requests

from domains.models import Domain
from edge.purges.services import purge_request, purge_status
from tests.factories import DomainFactory
from tests.servers import EdgeServer, Origin, OriginAnswer, OriginRequest, eventually

#: One host name that stays when the domain's own is changed, and one of a domain that is never purged.
HOST, OTHER = "www.shop.example", "www.other.example"
PATHS = [f"/{kind}/{n}" for kind in ("plain", "vary", "tag", "tagvary", "many", "slow") for n in (1, 2)]
TARGETS = [*PATHS, "/plain/1?x=1", "/tag/1?x=1", "/slow/1?x=1"]
LANGUAGES = ("de", "fr", "it")
SIZE = 2000


def tags_of(path: str) -> set[str]:
    """The tags of a path's answers: one of its own, one of its kind."""
    _, kind, number = path.split("/")
    return {f"{kind}-{number}", kind} if kind in ("tag", "tagvary", "many", "slow") else set()


@dataclass(frozen=True)
class Purged:
    """A purge, and the version at which the origin stood when it was asked for."""

    version: int
    soft: bool
    urls: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    everything: bool = False

    def takes(self, target: str) -> bool:
        path = target.partition("?")[0]
        return (
            self.everything
            or target in self.urls
            or path in self.urls
            or path.startswith(self.prefixes)
            or not tags_of(path).isdisjoint(self.tags)
            # More tags on one object than an edge keeps: any purge by tag takes it.
            or (path.startswith("/many/") and bool(self.tags))
        )


@dataclass
class Seen:
    """An edge as its clients know it."""

    server: EdgeServer
    acknowledged: list[Purged] = field(default_factory=list)
    asked: list[Purged] = field(default_factory=list)
    #: Grows at the begin and at the end of whatever may cut connections or empties a memory.
    turmoil: int = 0
    #: The same for the end of a worker: what it was fetching for the others, or was still to be fetched by an
    #: edge that no longer listens to itself, is a 502.
    deaths: int = 0

    @contextmanager
    def disturbed(self) -> Iterator[None]:
        self.turmoil += 1
        yield
        self.turmoil += 1

    @contextmanager
    def dying(self) -> Iterator[None]:
        self.deaths += 1
        yield
        self.deaths += 1


class World:
    """The edges, and everything that was seen of them that must not be."""

    def __init__(self, edges: list[EdgeServer], origin: Origin) -> None:
        self.edges = [Seen(server) for server in edges]
        self.origin = origin
        self.versions = count(1)
        self.newest = 0
        self.lock = threading.Lock()
        self.problems: list[str] = []
        self.answers: Counter[str] = Counter()
        #: What half of all requests ask for: those that wait for one fetch are those that get mixed up.
        self.focus = TARGETS[0]
        origin.answer = self.answer
        self.domain = DomainFactory(host="first.shop.example", origin__port=origin.port)
        self.domain.hostnames.create(name=HOST)
        DomainFactory(host=OTHER, origin__port=origin.port)
        for seen in self.edges:
            for host in (HOST, OTHER):
                eventually(lambda seen=seen, host=host: seen.server.get(host, "/plain/1").ok)

    def answer(self, request: OriginRequest) -> OriginAnswer:
        """Numbered, of one size, to be kept for an hour."""
        with self.lock:
            self.newest = version = next(self.versions)
        path = request.path.partition("?")[0]
        tags = sorted(tags_of(path))
        if path.startswith("/slow/"):
            time.sleep(random.uniform(0.02, 0.3))
        if path.startswith("/many/"):
            tags += [f"more-{n}" for n in range(300)]
        headers = [("Cache-Control", "max-age=3600"), ("X-Version", str(version)), ("ETag", f'"{version}"')]
        if tags:
            headers.append(("Cache-Tag", ", ".join(tags)))
        if "vary" in path:
            headers.append(("Vary", "Accept-Language"))
        return OriginAnswer(body=f"{version}\n".encode().ljust(SIZE, b"."), headers=tuple(headers))

    # -- what operators do -----------------------------------------------------------------------

    def purge(self, **what: Any) -> None:
        """Ask for a purge, and follow it on each edge until all have it."""
        purged = self.ask(**what)
        self.follow(*purged)

    def ask(self, **what: Any) -> tuple[Any, Purged]:
        lists = {name: tuple(value) for name, value in what.items() if name in ("urls", "prefixes", "tags")}
        purged = Purged(
            self.newest, what.get("soft", False), everything=what.get("everything", False), **lists
        )
        self.focus = random.choice([target for target in TARGETS if purged.takes(target)])
        for seen in self.edges:
            seen.asked.append(purged)
        (purge,) = purge_request(domains=[Domain.objects.get(pk=self.domain.pk)], **what)
        return purge, purged

    def follow(self, purge: Any, purged: Purged) -> None:
        by_name = {seen.server.node: seen for seen in self.edges}

        def on_all() -> bool:
            purge.refresh_from_db()
            for edge in purge_status(purge=purge).edges:
                if edge.answer == "applied" and edge.node in by_name:
                    by_name.pop(edge.node).acknowledged.append(purged)
            return not by_name

        eventually(on_all, within=30, every=0.005)

    # -- what clients do -------------------------------------------------------------------------

    def run_clients(self, work: Callable[[], None], *, seed: int, clients: int = 4) -> None:
        """Do something while clients ask both edges for everything, each in its own order."""
        over = threading.Event()
        threads = [
            threading.Thread(target=self._client, args=(random.Random(seed * 100 + n), over), daemon=True)
            for n in range(clients)
        ]
        for thread in threads:
            thread.start()
        try:
            work()
        finally:
            over.set()
            for thread in threads:
                thread.join(35)

    def _client(self, dice: random.Random, over: threading.Event) -> None:
        sessions = {seen.server.node: requests.Session() for seen in self.edges}
        before: dict[tuple[str, ...], tuple[int, int, int]] = {}
        while not over.is_set():
            seen = dice.choice(self.edges)
            host = OTHER if dice.random() < 0.15 else HOST
            target = self.focus if dice.random() < 0.5 else dice.choice(TARGETS)
            # Often the same few in a row: that is what gets into a worker's memory.
            for _ in range(dice.choice((1, 1, 2, 6))):
                try:
                    self._request(sessions[seen.server.node], seen, host, target, dice, before)
                except Exception as error:  # a thread that ends says nothing
                    self.problems.append(f"{type(error).__name__}: {error}")

    def _request(
        self,
        session: requests.Session,
        seen: Seen,
        host: str,
        target: str,
        dice: random.Random,
        before: dict[tuple[str, ...], tuple[int, int, int]],
    ) -> None:
        method, headers = "GET", {"Host": host, "Accept-Language": dice.choice(LANGUAGES)}
        how = dice.random()
        if how < 0.1:
            method = "HEAD"
        elif how < 0.2:
            headers["Range"] = "bytes=0-9"
        elif how < 0.25:
            headers["Connection"] = "close"
        acknowledged, asked = len(seen.acknowledged), len(seen.asked)
        turmoil, deaths = seen.turmoil, seen.deaths
        url = f"http://127.0.0.1:{seen.server.http_port}{target}"
        try:
            answer = session.request(method, url, headers=headers, timeout=30)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            if turmoil == seen.turmoil and turmoil % 2 == 0:
                self.problems.append(f"{seen.server.node} cut {target} without a reason: {error}")
            return
        if answer.status_code == 502 and (deaths % 2 or deaths != seen.deaths):
            return
        self._judge(seen, host, target, method, headers, answer, acknowledged)
        self._count(seen, host, target, headers, answer, before, asked, turmoil)

    def _judge(
        self,
        seen: Seen,
        host: str,
        target: str,
        method: str,
        headers: dict[str, str],
        answer: requests.Response,
        acknowledged: int,
    ) -> None:
        what = f"{seen.server.node} {method} {host}{target} {headers.get('Range', '')}"
        x_cache = answer.headers.get("X-Cache")
        if answer.status_code not in (200, 206):
            self.problems.append(f"{what} answered {answer.status_code} {x_cache}: {answer.text[:80]}")
            return
        version = int(answer.headers["X-Version"])
        if method == "GET" and not answer.text.startswith(f"{version}\n"[: len(answer.text)]):
            self.problems.append(f"{what} mixed two answers: {version} and {answer.text[:10]!r}")
        if host != HOST:
            return
        for purged in seen.acknowledged[:acknowledged]:
            if not purged.soft and version <= purged.version and purged.takes(target):
                how = f"{x_cache}; {answer.headers.get('Cache-Status')}"
                self.problems.append(f"{what} got version {version} ({how}) after {purged}")
                return

    def _count(
        self,
        seen: Seen,
        host: str,
        target: str,
        headers: dict[str, str],
        answer: requests.Response,
        before: dict[tuple[str, ...], tuple[int, int, int]],
        asked: int,
        turmoil: int,
    ) -> None:
        """How often something is new although nobody has purged it and the edge was left in peace."""
        if answer.status_code not in (200, 206):
            return
        language = headers["Accept-Language"] if "vary" in target else ""
        key = (seen.server.node, host, target, language)
        version = int(answer.headers["X-Version"])
        known = before.get(key)
        before[key] = version, len(seen.asked), seen.turmoil
        if known is None or known[2] != seen.turmoil or turmoil % 2 or turmoil != seen.turmoil:
            return
        if host == HOST and any(purged.takes(target) for purged in seen.asked[known[1] :]):
            return
        # What was asked for shortly before may be acknowledged only now.
        if host == HOST and any(p.takes(target) and p.version >= known[0] for p in seen.asked[-6:]):
            return
        with self.lock:
            self.answers["kept" if version == known[0] else "lost"] += 1

    # -- at rest ---------------------------------------------------------------------------------

    def soft_purges_end(self) -> None:
        """Every soft purge brings something new in the end, to every client on every edge."""
        wanted = [
            (seen, target, language) for seen in self.edges for target in TARGETS for language in LANGUAGES
        ]

        def is_new(seen: Seen, target: str, language: str) -> bool:
            answer = seen.server.get(HOST, target, headers={"Accept-Language": language})
            newest = max((p.version for p in seen.asked if p.takes(target)), default=0)
            return int(answer.headers["X-Version"]) > newest

        for seen, target, language in wanted:
            try:
                eventually(
                    lambda seen=seen, target=target, language=language: is_new(seen, target, language),
                    within=40,
                )
            except AssertionError as error:
                self.problems.append(
                    f"a soft purge of {target} ({language}) never ends on {seen.server.node}: {error}"
                )
                return
