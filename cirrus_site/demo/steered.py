"""Shows the DNS at work: a client asks the name server, follows the name to an edge, and gets the page."""

import time

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from cirrus_site.config import Config
from cirrus_site.demo import health
from cirrus_site.demo.origin import NEWS
from cirrus_site.demo.programs import LOOPBACK, SHOP
from cirrus_site.demo.showcase import x_cache
from dnszones.models import Zone
from dnszones.statuses import zone_statuses
from dnszones.watching import secondaries_watch

#: Steps from a name to an address, at most: a CNAME that leads to itself ends there.
MOST_STEPS = 8


def dns_show(config: Config, deadline: float) -> list[str]:
    """Wait until the name leads to an edge; the way there, line by line, or why there is none.

    `deadline`: on the clock of `time.monotonic`.
    """
    if not Zone.objects.exists():
        return []
    while True:
        way, addresses = resolve(SHOP, LOOPBACK, config.demo_dns_port)
        if addresses or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    said = [f"  {line}" for line in way]
    for address in addresses[:1]:
        seen = x_cache(config.demo_http_port, NEWS, bind=address, host=SHOP)
        said.append(f"  http://{address}:{config.demo_http_port}{NEWS}  {seen}")
    zones = list(Zone.objects.published())
    secondaries_watch(zones=zones, everything=True)  # the scheduled job comes a few seconds later
    statuses = zone_statuses(zones)
    return [*said, *(f"  {zone}: {statuses[zone.pk].sentence}" for zone in zones)]


def resolve(name: str, server: str, port: int) -> tuple[list[str], list[str]]:
    """Follow a name through its aliases: the records on the way, and the IPv4 addresses at its end."""
    way: list[str] = []
    for _ in range(MOST_STEPS):
        try:
            query = dns.message.make_query(name, dns.rdatatype.A)
            answer = dns.query.udp(query, server, timeout=health.TIMEOUT, port=port)
        except (OSError, dns.exception.DNSException) as error:
            return [*way, f"{name}: {error or type(error).__name__}"], []
        way += [line for rrset in answer.answer for line in rrset.to_text().splitlines() if line not in way]
        addresses = [
            rdata.address for rrset in answer.answer if rrset.rdtype == dns.rdatatype.A for rdata in rrset
        ]
        aliases = [rrset for rrset in answer.answer if rrset.rdtype == dns.rdatatype.CNAME]
        if addresses or not aliases:
            return way or [f"{name}: no answer yet"], addresses
        name = aliases[-1][0].target.to_text()
    return way, []
