"""Ten thousand domains: from SQL into Redis, and from Redis into an edge that has nothing."""

import time

from tests.bench.report import Row
from tests.bench.stack import Stack
from tests.servers import eventually

DOMAINS = 10_000


def run(stack: Stack) -> list[Row]:
    """The rows; well under a minute."""
    from domains.models import Domain, HostName, Origin
    from edge.models import Kind
    from edge.outbox import flush, stage

    domains = Domain.objects.bulk_create(
        [Domain(host=f"www.site-{number}.example", access_name=f"a{number}") for number in range(DOMAINS)]
    )
    HostName.objects.bulk_create([HostName(domain=each, name=each.host, primary=True) for each in domains])
    Origin.objects.bulk_create([Origin(domain=each, host=f"origin.{each.host}") for each in domains])
    running = stack.edge("edge-1")
    began = time.monotonic()
    stage(Kind.DOMAIN, [domain.pk for domain in domains])
    flush()
    projected = time.monotonic()
    eventually(lambda: running.health()["domains"] == DOMAINS, within=120)
    followed = time.monotonic()
    running.stop()
    (running.folder / "snapshot").unlink()
    running.start()
    eventually(lambda: running.health()["domains"] == DOMAINS, within=120)
    loaded = running.health()
    empty_start = time.monotonic()
    running.stop()
    stack.redis.stop()
    again = time.monotonic()
    running.start()
    booted = time.monotonic()
    assert running.health()["domains"] == loaded["domains"]
    stack.redis.start()
    return [
        Row("10,000 domains: SQL to Redis", round(projected - began, 2), "s", 1),
        Row("10,000 domains: SQL to a running edge", round(followed - began, 2), "s", 1),
        Row("10,000 domains: start of an edge that has nothing", round(empty_start - followed, 2), "s", 1),
        Row(
            "10,000 domains: start of an edge from its snapshot, without Redis",
            round(booted - again, 2),
            "s",
            1,
        ),
    ]
