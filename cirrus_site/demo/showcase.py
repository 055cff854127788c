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
    edges = [config.edge_addresses(port)[0] for port in config.demo_edge_ports]
    before = [_cached(bind, port) for bind, port in edges]
    try:
        (purge,) = purge_request(domains=[domain], urls=[NEWS], note="shown by `just up`")
    except (PurgeRefused, PurgeLimited) as error:
        return [f"not purged: {error}"]
    said = _followed(purge)
    after = [x_cache(port, NEWS, bind=bind) for bind, port in edges]
    return [
        *(_line(number, edge, before[number]) for number, edge in enumerate(edges)),
        f"  purged http://{HOST}{NEWS}: {said}",
        *(_line(number, edge, after[number]) for number, edge in enumerate(edges)),
    ]


def x_cache(port: int, path: str, *, bind: str, host: str = HOST) -> str:
    """The X-Cache with which an edge answers a GET; “no answer” where there is none."""
    connection = http.client.HTTPConnection(health.reachable(bind), port, timeout=health.TIMEOUT)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return "no answer"
    finally:
        connection.close()
    return answer.getheader("X-Cache") or str(answer.status)


def _cached(bind: str, port: int) -> str:
    """Ask until it is cached: the first answer of a domain that ever has a tag is not kept."""
    seen = ""
    for _ in range(TIMES):
        seen = x_cache(port, NEWS, bind=bind)
        if seen == "HIT":
            break
    return seen


def _line(number: int, edge: tuple[str, int], seen: str) -> str:
    return f"  {edge_name(number + 1)}  {url(*edge).rstrip('/')}{NEWS}  {seen}"


def _followed(purge: Purge) -> str:
    """Wait for every edge; how far it has come."""
    deadline = time.monotonic() + PATIENCE
    while True:
        purge.refresh_from_db()
        status = purge_status(purge=purge)
        if status.finished or time.monotonic() > deadline:
            return status.sentence.removeprefix("done: ")
        time.sleep(0.02)
