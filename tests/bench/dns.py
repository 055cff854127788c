"""From a node's change of state to the answers of a real NSD; transfers; and rounds of probes.

A hundred nodes in one region. The edges themselves are not started: their acknowledgements are written for
them, as edges that have every site would.
"""

import subprocess
import sys
import time
from functools import partial
from statistics import median

import dns.message
import dns.query

from tests.bench.report import Row
from tests.bench.stack import Stack
from tests.servers import NsdServer, binary, eventually, free_port

APEX, SECONDARY, KEY = "cdn.example", "nsd-1", "bench"
NODES, FLIPS = 100, 5
FEW, MANY = 1_000, 100_000
PROBED, ROUNDS = 500, 5


def run(stack: Stack) -> list[Row]:
    """The rows; about four minutes."""
    nodes = fleet()
    nsd_port, primary_port = free_port(), free_port()
    zone(nsd_port)
    stack.process(
        sys.executable, "-m", "celery", "-A", "cirrus_site", "worker", "--concurrency=1", "--without-gossip"
    )
    nsd: NsdServer | None = None
    rows = []
    have = 0
    for sites in (FEW, MANY):
        add_sites(have, sites)
        have = sites
        acknowledge(stack, nodes)
        if nsd:  # a hundred times as large: nobody but an operator may say that it is meant
            (nsd.folder / "verify" / f"{APEX}.accept").touch()
        stack.manage("rebuild_zones")
        if nsd is None:
            stack.process(
                *(sys.executable, "manage.py", "run_hidden_primary", "--bind", f"127.0.0.1:{primary_port}")
            )
            nsd = start_nsd(stack, nsd_port, primary_port)
        current = nsd
        eventually(partial(serves_newest, current), within=120)
        rows += flips(current, [nodes.pop() for _ in range(FLIPS)], sites)
    rows.append(transfer(stack, primary_port))
    rows.append(probes())
    return rows


def fleet() -> list[str]:
    """A hundred nodes that are up; their names."""
    from nodes.models import Node, Region

    region = Region.objects.create(name="bench")
    Node.objects.bulk_create(
        Node(name=f"edge-{n}", region=region, ipv4=f"192.0.2.{n}", state=Node.State.UP)
        for n in range(1, NODES + 1)
    )
    return [f"edge-{n}" for n in range(1, NODES + 1)]


def zone(port: int) -> None:
    """The zone of the access names, and its secondary."""
    from dnszones.models import NameServer, Secondary, Zone
    from dnszones.secondaries import secondary_give_key

    added = Zone.objects.create(apex=APEX, serves_sites=True)
    NameServer.objects.create(zone=added, name=f"ns1.{APEX}", ipv4="127.0.0.1")
    secondary_give_key(secondary=Secondary(name=SECONDARY, address="127.0.0.1", port=port, tsig_name=KEY))


def add_sites(first: int, last: int) -> None:
    """Domains of these numbers, published."""
    from domains.models import Domain, HostName, Origin
    from edge.models import Kind
    from edge.outbox import flush, stage

    domains = Domain.objects.bulk_create(
        [Domain(host=f"www.site-{n}.example", access_name=f"s{n}") for n in range(first, last)],
        batch_size=1_000,
    )
    HostName.objects.bulk_create(
        [HostName(domain=one, name=one.host, primary=True) for one in domains], batch_size=1_000
    )
    Origin.objects.bulk_create(
        [Origin(domain=one, host=f"origin.{one.host}") for one in domains], batch_size=1_000
    )
    stage(Kind.DOMAIN, [domain.pk for domain in domains])
    flush()


def acknowledge(stack: Stack, nodes: list[str]) -> None:
    """Say for every edge that it has everything."""
    from edge import keyspace

    client = stack.redis.client
    meta = client.hgetall(keyspace.META)
    for name in nodes:
        said = {"epoch": meta["epoch"], "rev": meta["rev"], "at": time.time(), "state": "ready"}
        client.hset(keyspace.ack_key(name), mapping=said)


def start_nsd(stack: Stack, port: int, primary_port: int) -> NsdServer:
    """An NSD with the configuration that an operator would get."""
    folder = stack.folder / "nsd"
    stack.manage(
        *("nsd_config", "--secondary", SECONDARY, "--folder", str(folder)),
        *("--primary", f"127.0.0.1@{primary_port}", "--verify-port", str(free_port())),
        *("--python", sys.executable),
    )
    nsd = NsdServer(folder, port)
    nsd.start()
    stack.exits.callback(nsd.stop)
    return nsd


def serves_newest(nsd: NsdServer) -> bool:
    """Whether it answers the version that was built last."""
    from dnszones.models import Zone

    return marker(nsd) == Zone.objects.get().serial


def marker(nsd: NsdServer) -> int:
    found = nsd.ask(f"_rev.{APEX}", "TXT")
    return int(found[0].strip('"')) if found else 0


def flips(nsd: NsdServer, nodes: list[str], sites: int) -> list[Row]:
    """Take nodes down one after the other; seconds until NSD's answers leave each out."""
    from nodes.models import Node
    from nodes.services import PROBES, node_set_state

    took = []
    for name in nodes:
        node = Node.objects.get(name=name)
        site = answered_by(nsd, str(node.ipv4), sites)
        began = time.monotonic()
        node_set_state(node=node, state=Node.State.DOWN, reason="a benchmark", by=PROBES)
        eventually(lambda site=site, node=node: node.ipv4 not in addresses(nsd, site), within=60, every=0.002)
        took.append(time.monotonic() - began)
        eventually(lambda: serves_newest(nsd), within=60)
    return [
        Row(f"a node down → answers of NSD, {sites:,} names: median", round(median(took), 2), "s", FLIPS),
        Row(f"a node down → answers of NSD, {sites:,} names: longest", round(max(took), 2), "s", FLIPS),
    ]


def answered_by(nsd: NsdServer, address: str, sites: int) -> str:
    """The access name of some site that is answered with this address."""
    for number in range(sites):
        if address in addresses(nsd, f"s{number}.{APEX}"):
            return f"s{number}.{APEX}"
    raise SystemExit(f"no site is answered with {address}")


def addresses(nsd: NsdServer, name: str) -> list[str]:
    query = dns.message.make_query(name, "A")
    answer = dns.query.udp(query, "127.0.0.1", port=nsd.port, timeout=2)
    return [item.to_text() for rrset in answer.answer for item in rrset]


def transfer(stack: Stack, port: int) -> Row:
    """AXFR of everything by dig, to the end of the last message."""
    from accounts.sealing import open_sealed
    from dnszones.models import Secondary
    from dnszones.store import tsig_record

    sealed = Secondary.objects.get().tsig_secret
    secret = open_sealed(sealed, record=tsig_record(KEY)).decode()
    key = stack.folder / "dig.key"
    key.write_text(f'key "{KEY}" {{ algorithm hmac-sha256; secret "{secret}"; }};\n')
    took = []
    for _ in range(3):
        began = time.monotonic()
        done = subprocess.run(
            [binary("dig"), "@127.0.0.1", "-p", str(port), "-k", str(key), "axfr", APEX, "+tcp", "+nocmd"],
            capture_output=True,
            text=True,
            check=True,
        )
        took.append(time.monotonic() - began)
        if done.stdout.count("\tA\t") < MANY:
            raise SystemExit(f"the transfer is not whole: {done.stdout[-500:]}")
    return Row(f"AXFR of {MANY:,} names with TSIG", round(median(took), 2), "s", 3)


def probes() -> Row:
    """Rounds of probes of nodes that all answer."""
    import asyncio

    from edge.health.probing import probe_all
    from nodes.models import Node
    from tests.edge.status_ports import StatusPorts, answer, healthz

    ports = StatusPorts()
    try:
        nodes = [
            Node(name=name, ipv4="127.0.0.1", status_port=ports.open(answer(healthz(name))))
            for name in (f"probed-{n}" for n in range(PROBED))
        ]
        took = []
        for _ in range(ROUNDS):
            began = time.monotonic()
            found = asyncio.run(probe_all(nodes, timeout=2, interval=5, allow=["127.0.0.0/8"]))
            took.append(time.monotonic() - began)
            if not all(probe.ok for probe in found.values()):
                raise SystemExit("not every node was found healthy")
    finally:
        ports.stop()
    return Row(f"one round of probes of {PROBED} nodes", round(median(took), 2), "s", ROUNDS)
