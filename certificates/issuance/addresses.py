"""Whether names that are to be proven over HTTP lead anywhere: looked up before an authority is asked.

An authority counts each proof that fails, and asks a name that fails too often no more; so one that cannot
succeed is not begun. Where the resolvers do not know (they are silent, or fail), the authority finds out.
"""

import concurrent.futures
import time
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

import dns.exception
import dns.rdatatype
import dns.resolver
from dns.name import Name, from_text

from certificates.issuance.delegation import AT_ONCE, MOST_STEPS, make_resolver
from certificates.issuance.errors import OrderFails
from certificates.issuance.outcomes import Failed, FailureKind
from dnszones.models import Zone
from dnszones.names import closest_apex
from dnszones.services import access_name
from domains.hostnames import display_hostname
from domains.models import Domain
from nodes.models import Node

#: Seconds after which no further name is looked up: the authority finds out about the others.
PATIENCE = 15.0
#: Names that a sentence is said of.
SOME = 3

#: A name → its addresses, none where it has none; None where nobody knows.
Found = Mapping[str, frozenset[str] | None]


def addresses_of(names: Iterable[str]) -> Found:
    """Ask the resolvers for these names, all at once. Not inside a transaction."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    resolver, deadline = make_resolver(), time.monotonic() + PATIENCE
    with concurrent.futures.ThreadPoolExecutor(min(AT_ONCE, len(wanted))) as pool:
        found = pool.map(lambda name: _addresses(resolver, name, deadline), wanted)
        return dict(zip(wanted, found, strict=True))


def require_addresses(found: Found, *, domain: Domain) -> None:
    """Raises `OrderFails` with what to do where some of the names have no address."""
    lost = [name for name, addresses in found.items() if addresses is not None and not addresses]
    if not lost:
        return
    apexes = {*Zone.objects.published().values_list("apex", flat=True)}
    access = access_name(domain)
    said = " ".join(_lost(name, closest_apex(name, apexes), access) for name in lost[:SOME])
    more = f" ({len(lost) - SOME} more names have none.)" if len(lost) > SOME else ""
    raise OrderFails(Failed(FailureKind.CHALLENGE, said + more, names=tuple(lost)))


def strays(found: Found) -> str:
    """Whole sentences on names of which no address is an edge's; "" where there are none. There may be a
    balancer or a NAT before the edges, so that this is no mistake by itself."""
    edges = _edges()
    astray = {
        name: addresses
        for name, addresses in found.items()
        if edges and addresses and edges.isdisjoint(map(ip_address, addresses))
    }
    said = [
        f"{display_hostname(name)} leads to {', '.join(sorted(addresses)[:SOME])}, which is none of the "
        "edges: fine where what is there passes port 80 on to them."
        for name, addresses in [*astray.items()][:SOME]
    ]
    more = [f"({len(astray) - SOME} more names lead elsewhere.)"] if len(astray) > SOME else []
    return " ".join([*said, *more])


def _lost(name: str, apex: str | None, access: str) -> str:
    shown = display_hostname(name)
    begin = f"{shown} has no address in the DNS"
    if apex:
        return (
            f"{begin}, although it lies in our zone {display_hostname(apex)}: see that the zone is in step, "
            "and that its parent delegates it to your name servers."
        )
    if access:
        return (
            f"{begin}: create this record: {name}. CNAME {access}. (At the top of a zone, where there can be "
            "none: an ALIAS of it, or the edges' addresses.)"
        )
    return f"{begin}: create A or AAAA records for it with the addresses of the edges."


def _edges() -> set[object]:
    rows = Node.objects.filter(is_edge=True).values_list("ipv4", "ipv6")
    return {ip_address(address) for row in rows for address in row if address}


def _addresses(resolver: dns.resolver.Resolver, host: str, deadline: float) -> frozenset[str] | None:
    """The addresses that a name has, also by CNAMEs; None where nobody knows."""
    name = from_text(host)
    for _ in range(MOST_STEPS):
        if time.monotonic() > deadline:
            return None
        found: set[str] = set()
        end: Name = name
        for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
            try:
                answer = resolver.resolve(name, kind, raise_on_no_answer=False, search=False)
            except dns.resolver.NXDOMAIN:
                return frozenset()
            except (dns.exception.DNSException, OSError):
                return frozenset(found) or None
            found |= {item.address for item in answer.rrset or []}
            end = answer.canonical_name
        if found or end == name:
            return frozenset(found)
        name = end
    return frozenset()  # its CNAMEs lead in a circle
