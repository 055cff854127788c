"""What a hit and a miss cost on an edge, beside plain nginx on the same machine in the same run.

Each server has one worker on processor 0, the load comes from processor 1, the runs alternate. The domain has
ten rules, tagged objects and a thousand purge records.
"""

import re
from pathlib import Path

import redis
import requests

from tests.bench.peers import PROXYING, PROXYING_ALIKE, SHIPPED, TIERED, TUNED, origin, peers
from tests.bench.report import Row, paired
from tests.bench.stack import Load, Stack, pin, wrk
from tests.factories import CacheConditionFactory, CacheRuleFactory, DomainFactory
from tests.servers import EdgeServer, RedisServer, eventually, free_port

RUNS, WARMING = 5, 4
HOST = "bench.example"
DOMAINS, REQUESTS = 10_000, 2_000_000


def run(stack: Stack) -> list[Row]:
    """The rows; about five minutes."""
    origin_port = origin(stack)
    beside = peers(stack, origin_port)
    edge = stack.edge("edge-1")
    configure(origin_port)
    ready(edge)
    rows = [
        *against(edge, "cached 1 KB", "/1k", {name: beside[name] for name in (SHIPPED, TUNED)}),
        *against(edge, "cached 1 MB", "/1m", {name: beside[name] for name in (SHIPPED, TUNED)}),
        *against(
            edge,
            "not kept, 1 KB (past the cache)",
            "/live/a",
            {name: beside[name] for name in (PROXYING, PROXYING_ALIKE)},
        ),
        *misses(edge, {name: beside[name] for name in (SHIPPED, TIERED, PROXYING)}),
        *many_domains(stack),
        *memory(edge),
    ]
    return rows


def configure(origin_port: int) -> None:
    """One domain with all that costs something."""
    from edge.purges.services import purge_request

    domain = DomainFactory(host=HOST, origin__port=origin_port)
    for number in range(10):
        rule = CacheRuleFactory(domain=domain, name=f"Rule {number}", edge_ttl=600 + number)
        if number % 2:
            CacheConditionFactory(rule=rule, what="glob", values=f"/section-{number}/*.html")
        else:
            CacheConditionFactory(rule=rule, what="extension", values=f"x{number}")
    purge_request(
        domains=[domain],
        urls=[f"/products/{number}" for number in range(500)],
        prefixes=[f"/lists/{number}/" for number in range(200)],
        tags=[f"product-{number + 1000}" for number in range(300)],
    )


def ready(edge: EdgeServer) -> None:
    """Wait until it serves the domain from its memory, and keep it on processor 0."""
    url = f"http://127.0.0.1:{edge.http_port}/1k"
    eventually(lambda: requests.get(url, headers={"Host": HOST}, timeout=5).headers.get("X-Cache") == "HIT")
    pin(edge, 0)


def against(edge: EdgeServer, name: str, path: str, beside: dict[str, int]) -> list[Row]:
    """Requests per second for one path, against each of these peers in turn."""
    rows = []
    for peer, port in beside.items():
        pairs = []
        for _ in range(RUNS + 1):  # the first pair warms both up
            pairs.append((wrk(edge.http_port, path, HOST).rate, wrk(port, path, HOST).rate))
        rows.append(paired(name, "requests/s", peer, pairs[1:]))
    return rows


def misses(edge: EdgeServer, beside: dict[str, int]) -> list[Row]:
    """A new URL at each request: throughput, and what one request at a time waits longer than by nginx."""
    rows = []
    for number in range(WARMING):  # folders of the caches are made, and Lua's traces are
        for port in (edge.http_port, *beside.values()):
            each(port, f"/each/w{number}")
    for turn, (peer, port) in enumerate(beside.items()):
        busy: list[tuple[float, float]] = []
        alone: list[tuple[Load, Load]] = []
        for number in range(RUNS + 1):
            ours, theirs = f"/each/a{turn}-{number}-", f"/each/b{turn}-{number}-"
            busy.append((each(edge.http_port, ours).rate, each(port, theirs).rate))
            alone.append((each(edge.http_port, ours + "x", 1), each(port, theirs + "x", 1)))
        rows.append(paired("miss 1 KB, kept", "requests/s", peer, busy[1:]))
        added = sorted((ours.p50 - theirs.p50) * 1e6 for ours, theirs in alone[1:])
        rows.append(Row(f"miss: p50 more than {peer}", round(added[len(added) // 2]), "µs", RUNS))
    return rows


def each(port: int, prefix: str, connections: int = 32) -> Load:
    return wrk(port, prefix, HOST, connections=connections, unique=True, seconds=2)


def many_domains(stack: Stack) -> list[Row]:
    """The same hit on a new edge that has ten thousand domains, and on one that has this domain alone."""
    from domains.models import Domain, HostName, Origin
    from edge.models import Kind
    from edge.outbox import flush, stage

    other_redis = RedisServer(stack.folder / "redis-2", free_port())
    other_redis.start()
    stack.exits.callback(other_redis.stop)
    _copy(stack.redis.client, other_redis.client)
    alone = stack.edge("edge-2", CIRRUS_EDGE_REDIS_URL=f"redis://127.0.0.1:{other_redis.port}")
    ready(alone)
    domains = Domain.objects.bulk_create(
        [Domain(host=f"www.site-{number}.example", access_name=f"a{number}") for number in range(DOMAINS)]
    )
    HostName.objects.bulk_create([HostName(domain=one, name=one.host, primary=True) for one in domains])
    Origin.objects.bulk_create([Origin(domain=one, host=f"origin.{one.host}") for one in domains])
    stage(Kind.DOMAIN, [domain.pk for domain in domains])
    flush()
    many = stack.edge("edge-3")
    eventually(lambda: many.health()["domains"] > DOMAINS, within=120)
    ready(many)
    pairs = []
    for _ in range(2 * RUNS + 1):
        pairs.append((wrk(many.http_port, "/1k", HOST).rate, wrk(alone.http_port, "/1k", HOST).rate))
    return [
        paired(f"cached 1 KB, {DOMAINS:,} domains", "requests/s", "the same edge with one domain", pairs[1:])
    ]


def _copy(source: "redis.Redis", target: "redis.Redis") -> None:
    reading = redis.Redis(port=source.connection_pool.connection_kwargs["port"])
    writing = redis.Redis(port=target.connection_pool.connection_kwargs["port"])
    for key in reading.keys("cdn:*"):
        if data := reading.dump(key):
            writing.restore(key, 0, data)


def memory(edge: EdgeServer) -> list[Row]:
    """How much a worker has grown after two million requests, hits and new URLs mixed."""
    for path in ("/1k", "/1m", "/live/a"):
        wrk(edge.http_port, path, HOST, seconds=2)
    each(edge.http_port, "/each/before")
    before, done, turn = _resident(edge), 0, 0
    while done < REQUESTS:
        turn += 1
        done += wrk(edge.http_port, "/1k", HOST, seconds=4).requests
        done += wrk(edge.http_port, "/live/a", HOST, seconds=1).requests
        done += each(edge.http_port, f"/each/m{turn}-").requests
    grown = round((_resident(edge) - before) / 1024, 1)
    return [Row(f"growth of a worker over {done:,} requests", grown, "MB", 1)]


def _resident(edge: EdgeServer) -> int:
    """The private memory of the workers, in kB: shared zones have a fixed size and fill up once."""
    total = 0
    for pid in edge.workers():
        text = Path(f"/proc/{pid}/status").read_text()
        match = re.search(r"RssAnon:\s+(\d+)", text)
        total += int(match[1]) if match else 0
    return total
