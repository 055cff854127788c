"""Shows HTTPS at work: each edge is asked over a handshake that is verified by the authority's roots.

The authority comes to the second site over HTTP, so its certificate is ordered once the DNS leads there.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Iterable
from pathlib import Path

from cirrus_site.config import Config
from cirrus_site.demo import health
from cirrus_site.demo.authority import keep_roots
from cirrus_site.demo.origin import NEWS
from cirrus_site.demo.programs import LOOPBACK, edge_address, edge_name
from cirrus_site.demo.seed import CHALLENGES, STATIC, https_turn_on
from cirrus_site.demo.steered import resolve
from domains.models import Domain

#: Seconds that the certificates of a new demo may take; what takes longer comes all the same.
PATIENCE = 20.0


def https_show(config: Config, deadline: float) -> list[str]:
    """Wait until the edges have certificates; what they answered, line by line, or why they did not.

    `deadline`: on the clock of `time.monotonic`.
    """
    until = min(deadline, time.monotonic() + PATIENCE)
    _second_site(config, until)
    hosts = [host for host in CHALLENGES if Domain.objects.filter(host=host, enabled=True, tls=True).exists()]
    if not hosts:
        return []
    try:
        roots = keep_roots(config)
    except OSError as error:
        return [f"  the authority has not told its root: {error}"]
    numbers = range(1, len(config.demo_edge_ports) + 1)
    return [line for host in hosts for line in _asked(config, host, numbers, roots, until)]


def _second_site(config: Config, until: float) -> None:
    """Turn on its HTTPS, unless somebody has before."""
    domain = Domain.objects.filter(host=STATIC, enabled=True, tls=False, enrollment=None).first()
    while domain and time.monotonic() < until:
        if resolve(STATIC, LOOPBACK, config.demo_dns_port)[1]:
            return https_turn_on(domain)
        time.sleep(0.1)


def _asked(config: Config, host: str, numbers: Iterable[int], roots: Path, until: float) -> list[str]:
    lines = []
    for number in numbers:
        while True:
            try:
                said = _ask(edge_address(number), config.demo_https_port, host, roots)
                break
            except (OSError, http.client.HTTPException) as error:
                said = f"not yet: {error}"
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        lines.append(f"  {edge_name(number)}  https://{host}:{config.demo_https_port}{NEWS}  {said}")
    return lines


def _ask(address: str, port: int, host: str, roots: Path) -> str:
    """What a client sees of one edge. Raises `OSError` where it does not trust it."""
    context = ssl.create_default_context(cafile=str(roots))
    with (
        socket.create_connection((address, port), timeout=health.TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        secured.sendall(f"GET {NEWS} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(secured)
        answer.begin()
        until = str((secured.getpeercert() or {}).get("notAfter", ""))
        seen = answer.getheader("X-Cache") or answer.status
        return f"{seen}  {secured.version()}, valid until {until}"
