"""What a TLS handshake costs on an edge, whose certificates come by name, beside nginx with one in a file.

Full handshakes of TLS 1.3 with ECDSA P-256, one connection each, nothing asked over it. Each server has one
worker on processor 0 and the client is on processor 1; the runs alternate. What counts are handshakes for a
second of the worker's processor time: by the clock the client, which is slower, would be measured.
"""

import os
import secrets
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from itertools import cycle, repeat
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from tests.bench.report import Row, paired
from tests.bench.stack import Stack, pin
from tests.servers import EdgeServer, eventually
from tests.system.secured import EDGE_KEYS, PLAIN, Authority, certificate_body, pkcs8, sealed

RUNS, SECONDS = 9, 1.5
MANY, AT_ONCE = 10_000, 100
PEER, ALIKE = "nginx, certificate in a file", "the same, and tickets as ours"

#: As an edge's own server, but for tickets: two of them after a handshake, as OpenSSL has it.
STATIC = """
  access_log off;
  server {
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {dir}/chain.pem;
    ssl_certificate_key {dir}/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ssl_session_cache off;
    TICKETS
    return 204;
  }
"""
#: One, with nginx's own code for keys that several machines share.
AS_OURS = "ssl_session_ticket_key {dir}/tickets; ssl_conf_command NumTickets 1;"


def run(stack: Stack) -> list[Row]:
    """The rows; two or three minutes."""
    os.sched_setaffinity(0, {1})
    authority = Authority()
    edge = stack.edge("edge-1", **EDGE_KEYS)
    pin(edge, 0)
    ours = Server(edge.https_port, edge.workers()[0])
    pair, alike = (ours, static(stack, authority, "peer")), (ours, static(stack, authority, "alike", AS_OURS))
    key = {"id": "1", "active_from": 0, "key": sealed(secrets.token_bytes(80), "tickets:1")}
    publish(stack, edge, "tickets", {"tickets": {"keys": [key]}})
    secure(stack, edge, authority, range(1))
    rows = [
        against(pair, "full handshake", repeat(host(0))),
        against(alike, "full handshake", repeat(host(0)), ALIKE),
    ]
    before, names = pair[0].resident(), [host(number) for number in range(MANY)]
    seconds = secure(stack, edge, authority, range(1, MANY))
    first = pair[0].rate(iter(names))
    return [
        *rows,
        Row(f"{MANY:,} certificates: from Redis into an edge", round(seconds, 1), "s", 1),
        Row(f"{MANY:,} certificates: the first handshake of each", round(first), "handshakes/s", 1),
        Row("growth of the worker by that", round((pair[0].resident() - before) / 1024), "MB", 1),
        against(pair, f"full handshake, {MANY:,} certificates, one name", repeat(host(0))),
        against(pair, f"full handshake, {MANY:,} certificates, in turn", cycle(names)),
    ]


class Server:
    """A port on which a worker of nginx speaks TLS."""

    def __init__(self, port: int, worker: int) -> None:
        self.port, self.worker = port, worker
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3

    def rate(self, names: Iterator[str], seconds: float = 3600) -> float:
        """Handshakes for these names, for a second of the worker's time."""
        before, over, count = self.spent(), time.monotonic() + seconds, 0
        for name in names:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain:
                self.context.wrap_socket(plain, server_hostname=name).close()
            count += 1
            if time.monotonic() > over:
                break
        return count / (self.spent() - before)

    def spent(self) -> float:
        """Seconds of processor time that the worker has had."""
        return int(Path(f"/proc/{self.worker}/schedstat").read_text().split()[0]) / 1e9

    def resident(self) -> int:
        """Its private memory, in kB."""
        lines = Path(f"/proc/{self.worker}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


def against(pair: tuple[Server, Server], name: str, names: Iterator[str], peer: str = PEER) -> Row:
    """Both in turn; the first pair warms them up."""
    pairs = [(pair[0].rate(names, SECONDS), pair[1].rate(names, SECONDS)) for _ in range(RUNS + 1)]
    return paired(name, "handshakes/s", peer, pairs[1:])


def static(stack: Stack, authority: Authority, name: str, tickets: str = "") -> Server:
    """A plain nginx with a certificate of the same authority."""
    leaf, key = authority.leaf(host(0))
    pem, folder = serialization.Encoding.PEM, stack.folder / f"{name}-files"
    folder.mkdir()
    (folder / "chain.pem").write_bytes(leaf.public_bytes(pem) + authority.pem.encode())
    (folder / "key.pem").write_bytes(pkcs8(key, pem))
    (folder / "tickets").write_bytes(secrets.token_bytes(80))
    port = stack.nginx(name, STATIC.replace("TICKETS", tickets).replace("{dir}", str(folder)))
    master = eventually((stack.folder / name / "pid").read_text).strip()
    children = Path(f"/proc/{master}/task/{master}/children")
    worker = int(eventually(lambda: children.read_text().split())[0])
    os.sched_setaffinity(worker, {0})
    return Server(port, worker)


def host(number: int) -> str:
    return f"www.site-{number}.example"


def secure(stack: Stack, edge: EdgeServer, authority: Authority, numbers: Iterable[int]) -> float:
    """Sites of these numbers with a certificate each; how long the edge took to have the certificates."""
    certificates, domains = {}, {}
    for number in numbers:
        name = host(number)
        certificate = certificate_body(authority, name)
        certificates[name] = {"id": number + 1, "host": name, "current": certificate}
        domains[name] = {"id": number + 1, "host": name, **SITE}
    seconds = publish(stack, edge, "certificate", certificates)
    publish(stack, edge, "domain", domains)
    return seconds


#: The rest of a domain's document.
SITE: dict[str, Any] = {
    "aliases": [],
    "tls": PLAIN,
    "cache": {
        **{"default_ttl": 300, "max_ttl": 3600, "negative_ttl": 10, "guard": True},
        **{"stale_while_revalidate": 10, "stale_if_error": 600},
    },
    "origins": [
        {
            **{"id": 1, "scheme": "http", "host": "192.0.2.1", "port": 80, "host_header": "", "sni": ""},
            **{"verify": True, "weight": 1, "backup": False, "connect_timeout": 1000, "read_timeout": 1000},
        }
    ],
}


def publish(stack: Stack, edge: EdgeServer, kind: str, bodies: dict[str, dict[str, Any]]) -> float:
    """Write documents as the control plane does; seconds until the edge has handled them all."""
    from edge import keyspace
    from edge.projection import SCRIPT
    from edge.rendering import canonical
    from edge.revisions import take_revisions

    client, token, items = stack.redis.client, secrets.token_hex(8), list(bodies.items())
    epoch, first = take_revisions(len(items))
    began = time.monotonic()
    client.set(keyspace.PUBLISH_LOCK, token)
    for start in range(0, len(items), AT_ONCE):
        keys: list[str] = [keyspace.META, keyspace.CHANGES, keyspace.index_key(kind), keyspace.gone_key(kind)]
        keys.append(keyspace.PUBLISH_LOCK)
        arguments: list[str | int] = [kind, epoch, 100_000, keyspace.NOTIFY, token]
        for rev, (key, body) in enumerate(items[start : start + AT_ONCE], first + start):
            keys.append(keyspace.document_key(kind, key))
            text = canonical(keyspace.envelope(epoch=epoch, rev=rev, body=body))
            arguments += [key, rev, text]
        client.eval(SCRIPT, len(keys), *keys, *arguments)
    client.delete(keyspace.PUBLISH_LOCK)
    last = first + len(items) - 1
    eventually(lambda: edge.health()["rev"] >= last, within=120)
    assert not edge.health()["config_errors"], edge.health()
    return time.monotonic() - began
