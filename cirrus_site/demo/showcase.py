"""Shows a purge at work: a page is cached on every edge, purged, and fetched anew."""

import http.client
import time

from cirrus_site.config import Config
from cirrus_site.demo import health
from cirrus_site.demo.origin import NEWS
from cirrus_site.demo.programs import edge_name, url
from cirrus_site.demo.seed import HOST
from domains.models import Domain
from edge.errors import PurgeLimited, PurgeRefused
from edge.models import Purge
from edge.purges.services import purge_request, purge_status

#: Seconds in which the edges of one machine have a purge if they ever will.
PATIENCE = 10.0
#: Requests after which the page is cached if it ever will be.
TIMES = 5


def purge_show(config: Config, domain: Domain) -> list[str]:
    """Purge the demo's news page; what the edges answered before and after, as lines to print.

    Where it cannot be shown, the line says why: the demo runs all the same.
    """
    before = [_cached(config, port) for port in config.demo_edge_ports]
    try:
        (purge,) = purge_request(domains=[domain], urls=[NEWS], note="shown by `just up`")
    except (PurgeRefused, PurgeLimited) as error:
        return [f"not purged: {error}"]
    said = _followed(purge)
    after = [x_cache(config, port, NEWS) for port in config.demo_edge_ports]
    return [
        *(f"  {_where(config, number, port)}  {before[number]}" for number, port in _numbered(config)),
        f"  purged http://{HOST}{NEWS}: {said}",
        *(f"  {_where(config, number, port)}  {after[number]}" for number, port in _numbered(config)),
    ]


def x_cache(config: Config, port: int, path: str) -> str:
    """The X-Cache with which an edge answers a GET; “no answer” where there is none."""
    connection = http.client.HTTPConnection(
        health.reachable(config.edge_bind[0]), port, timeout=health.TIMEOUT
    )
    try:
        connection.request("GET", path, headers={"Host": HOST})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return "no answer"
    finally:
        connection.close()
    return answer.getheader("X-Cache") or str(answer.status)


def _cached(config: Config, port: int) -> str:
    """Ask until it is cached: the first answer of a domain that ever has a tag is not kept."""
    seen = ""
    for _ in range(TIMES):
        seen = x_cache(config, port, NEWS)
        if seen == "HIT":
            break
    return seen


def _numbered(config: Config) -> list[tuple[int, int]]:
    return list(enumerate(config.demo_edge_ports))


def _where(config: Config, number: int, port: int) -> str:
    return f"{edge_name(number + 1)}  {url(config.edge_bind[0], port).rstrip('/')}{NEWS}"


def _followed(purge: Purge) -> str:
    """Wait for every edge; how far it has come."""
    deadline = time.monotonic() + PATIENCE
    while True:
        purge.refresh_from_db()
        status = purge_status(purge=purge)
        if status.finished or time.monotonic() > deadline:
            return status.sentence.removeprefix("done: ")
        time.sleep(0.02)
