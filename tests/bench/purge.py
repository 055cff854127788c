"""From the request of a purge to the acknowledgement of both edges, whatever and however much it purges.

The purges are asked for as a door of the portal asks: one call of the service, in this process.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median, quantiles
from typing import Any

import requests

from domains.models import Domain
from edge import keyspace
from edge.purges.services import purge_request
from tests.bench.report import Row, paired
from tests.bench.stack import Stack, wrk
from tests.factories import DomainFactory
from tests.servers import EdgeServer, eventually

PURGES, RECORDS, MANY = 200, 1_000, 1_000
#: Sites that are filled and purged, and seconds for which each is filled.
SITES, FILL = 5, 5
#: Requests of one client each second beside the purges; there is one for each edge.
STEADY = 100
ORIGIN = """
  access_log off;
  server {
    listen 127.0.0.1:{port};
    default_type text/plain;
    location / { add_header Cache-Control "max-age=3600"; return 200 "$request_id of a small object"; }
  }
"""


def run(stack: Stack) -> list[Row]:
    """The rows; about a minute."""
    origin = stack.nginx("origin", ORIGIN)
    edges = [stack.edge("edge-1"), stack.edge("edge-2")]
    domain, batch = (DomainFactory(origin__port=origin) for _ in range(2))
    purge_request(domains=[domain], urls=[f"/old/{number}" for number in range(RECORDS)])
    for edge in edges:
        eventually(lambda edge=edge: get(edge, domain, "/").ok)
    with steady_traffic(edges, domain):
        singles = [took(stack, domain, urls=[f"/a/{number}"]) for number in range(PURGES + 5)][5:]
        many = [took(stack, batch, urls=[f"/{run}/{number}" for number in range(MANY)]) for run in range(5)]
    cuts = quantiles(singles, n=100)
    what = f"one URL, {RECORDS:,} records there, {STEADY * len(edges)} requests/s"
    return [
        Row(f"{what}: p50", round(cuts[49], 1), "ms", PURGES),
        Row(f"{what}: p99", round(cuts[98], 1), "ms", PURGES),
        Row(f"{MANY:,} URLs in one call", round(median(many), 1), "ms", len(many)),
        *whole_sites(stack, edges[0], origin),
    ]


def whole_sites(stack: Stack, edge: EdgeServer, origin: int) -> list[Row]:
    """Fill sites, and purge one URL and then everything of each."""
    pairs, filled = [], []
    for _ in range(SITES):
        site = DomainFactory(origin__port=origin)
        eventually(lambda site=site: get(edge, site, "/").ok)
        count = wrk(edge.http_port, "/object/", site.host, seconds=FILL, unique=True).requests
        # Not the very first and last: wrk draws some that it never asks for.
        samples = [f"/object/{number}" for number in range(100, count - 100, count // 20)]
        check(edge, site, samples, "HIT")
        one = took(stack, site, urls=[samples.pop(0)])
        check(edge, site, samples, "HIT")
        pairs.append((took(stack, site, everything=True), one))
        check(edge, site, samples, "MISS")
        filled.append(count)
    return [
        Row(f"objects that {SITES} sites put into the cache", sum(filled), "objects", 1),
        paired(f"a whole site of at least {min(filled):,} cached objects", "ms", "one URL of it", pairs),
    ]


def took(stack: Stack, domain: Domain, **what: Any) -> float:
    """Milliseconds from the call to the last edge's acknowledgement."""
    client = stack.redis.client
    keys = [keyspace.ack_key(name) for name in ("edge-1", "edge-2")]
    began = time.monotonic()
    (purge,) = purge_request(domains=[domain], **what)
    purge.refresh_from_db()
    while not all(int(client.hget(key, "rev") or 0) >= (purge.rev or 0) for key in keys):
        if time.monotonic() - began > 20:
            raise SystemExit("the edges have not acknowledged a purge within 20 s")
        time.sleep(0.001)  # leaves the processors to what is measured
    return (time.monotonic() - began) * 1000


def get(edge: EdgeServer, domain: Domain, path: str) -> requests.Response:
    return edge.get(domain.host, path)


def check(edge: EdgeServer, site: Domain, paths: list[str], wanted: str) -> None:
    """Fail unless the edge answers all of these from where they should be."""
    for path in paths:
        found = get(edge, site, path).headers["X-Cache"]
        if found != wanted:
            raise SystemExit(f"{path} of {site.host} is a {found}, not a {wanted}")


@contextmanager
def steady_traffic(edges: list[EdgeServer], domain: Domain) -> Iterator[None]:
    """One client for each edge, at a steady pace, for some cached objects and now and then a new one."""
    over = threading.Event()

    def client(edge: EdgeServer) -> None:
        session, number = requests.Session(), 0
        while not over.wait(1 / STEADY):
            number += 1
            path = f"/new/{number}" if number % 10 == 0 else f"/old/{number % 7}"
            session.get(f"http://127.0.0.1:{edge.http_port}{path}", headers={"Host": domain.host}, timeout=10)

    clients = [threading.Thread(target=client, args=(edge,), daemon=True) for edge in edges]
    for each in clients:
        each.start()
    yield
    over.set()
    for each in clients:
        each.join()
