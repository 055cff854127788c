"""Where the DNS-01 record of a name is written, and whether what that needs is there.

A name inside one of our zones has its TXT record there. Any other name is delegated once, by its owner, who
makes `_acme-challenge.NAME` a CNAME of `_acme-challenge.LABEL.ZONE`, where LABEL.ZONE is the access name of
the domain: records below that are ours to write, and nothing else of the owner's zone is.
"""

import concurrent.futures
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

import dns.exception
import dns.rdatatype
import dns.resolver
from django.conf import settings
from dns.name import Name, from_text
from dns.nameserver import Do53Nameserver

from certificates.issuance.names import challenge_name, validated_name
from dnszones.models import Record, Zone
from dnszones.names import closest_apex, owner_in
from dnszones.services import access_name
from dnszones.sites import sites_add
from domains.hostnames import display_hostname
from domains.models import Domain

#: Seconds that the resolvers have for a name; CNAMEs that are followed; names asked at once.
PATIENCE, MOST_STEPS, AT_ONCE = 4.0, 8, 16


@dataclass(frozen=True)
class Delegation:
    """How one name of a domain is proven by DNS-01.

    `record`: where its challenge belongs, `target`: where its TXT record is written (the same inside our
    zones; "" where no zone can take it), `needed`: whether the owner has to make a CNAME for it, `found`:
    whether it can be proven now; `sentence`: what is so, or what to do.
    """

    name: str
    record: str
    target: str
    needed: bool
    found: bool
    sentence: str


def delegation_status(domain: Domain, names: Iterable[str] = ()) -> list[Delegation]:
    """One for each name (those of the domain, unless `names` says others), wildcards with their base name.

    Asks the resolvers for names outside our zones, all at once: for doors and workers, not inside a
    transaction.
    """
    wanted = list(names) or list(domain.hostnames.values_list("name", flat=True))
    bare = list(dict.fromkeys(validated_name(name) for name in wanted))
    apexes = {*Zone.objects.published().values_list("apex", flat=True)}
    access = access_name(domain)
    if not access and sites_add():  # the domain is so new that no zone was built since
        access = access_name(domain)
    target = f"_acme-challenge.{access}" if access and closest_apex(access, apexes) else ""
    ours = [name for name in bare if closest_apex(challenge_name(name), apexes)]
    others = [name for name in bare if name not in set(ours)]
    found = dict(zip(others, _lookups(others), strict=True)) if target else {}
    return [
        _ours(name, apexes) if name in set(ours) else _delegated(name, target, found.get(name, ""))
        for name in bare
    ]


def proven_at(domain: Domain, names: Iterable[str]) -> dict[str, Delegation]:
    """Name (without a star) → its delegation."""
    return {each.name: each for each in delegation_status(domain, names)}


def _ours(name: str, apexes: set[str]) -> Delegation:
    record = challenge_name(name)
    apex = closest_apex(record, apexes) or ""
    pointed = Record.objects.filter(
        zone__apex=apex, name=owner_in(record, apex) or "", type=Record.Type.CNAME
    ).exists()
    if pointed:
        sentence = f"{record} is a CNAME in our zone {apex}: delete that record there."
        return Delegation(name, record, record, False, False, sentence)
    sentence = f"{display_hostname(name)} lies in our zone {display_hostname(apex)}: nothing to do."
    return Delegation(name, record, record, False, True, sentence)


def _delegated(name: str, target: str, seen: str) -> Delegation:
    record = challenge_name(name)
    if not target:
        sentence = (
            f"{display_hostname(name)} lies in none of our zones, and none of them gives access names: "
            "make one that does."
        )
        return Delegation(name, record, "", True, False, sentence)
    if seen == target:
        return Delegation(name, record, target, True, True, f"{record} points at {target}.")
    create = f"create this record: {record}. CNAME {target}."
    there = (
        f"{record} {seen}; " if seen.startswith("cannot") else f"{record} points at {seen}; " if seen else ""
    )
    sentence = f"{there}{create}" if there else f"C{create[1:]}"
    return Delegation(name, record, target, True, False, sentence)


def _lookups(names: list[str]) -> list[str]:
    if not names:
        return []
    resolver = make_resolver()
    with concurrent.futures.ThreadPoolExecutor(min(AT_ONCE, len(names))) as pool:
        return list(pool.map(lambda name: _end_of(resolver, challenge_name(name)), names))


def _end_of(resolver: dns.resolver.Resolver, record: str) -> str:
    """Where the CNAMEs at a name lead to, "" where there is none, “cannot be …” where nobody can say."""
    name, end = from_text(record), ""
    for _ in range(MOST_STEPS):
        try:
            answer = resolver.resolve(name, dns.rdatatype.CNAME, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            return end
        except (dns.exception.DNSException, OSError) as error:
            return end or f"cannot be looked up ({type(error).__name__})"
        target: Name | None = next((item.target for item in answer.rrset or []), None)
        if target is None:
            return end
        name, end = target, target.to_text(omit_final_dot=True).lower()
    return "cannot be followed (its CNAMEs lead in a circle)"


def make_resolver() -> dns.resolver.Resolver:
    """The resolver of CIRRUS_RESOLVERS, or the system's; it keeps nothing."""
    servers = [Do53Nameserver(*server) for server in settings.CIRRUS.control_resolver_addresses]
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = servers
    if not servers:
        with contextlib.suppress(dns.resolver.NoResolverConfiguration):  # then there is nobody to ask
            resolver.read_resolv_conf("/etc/resolv.conf")
    resolver.lifetime = PATIENCE
    resolver.timeout = PATIENCE / 2
    resolver.cache = None
    return resolver
