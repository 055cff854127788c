"""From facts to the names of a zone. Pure and deterministic: the same facts give the same zone.

Nothing that an operator has typed breaks a zone: what cannot stand in it is left out and told in
`Built.warnings`. Where two want the same name, the first of these wins: the zone's name servers,
operator records, ACME challenges, the sites.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from dnszones.conflicts import Row, conflict
from dnszones.names import closest_apex, covering_cut, full_name, owner_in
from dnszones.zonedata import APEX, MARKER, Names, RRset, Soa

#: Seconds that resolvers keep what hardly ever changes (SOA, NS and the addresses of name servers), and
#: what lives for minutes only.
STEADY_TTL, CHALLENGE_TTL = 3_600, 5

#: Types of which the sites' answers consist.
ADDRESSES = ("A", "AAAA")


@dataclass(frozen=True)
class NameServerFacts:
    """A name server of a zone: whole name without the final dot, addresses or ""."""

    name: str
    ipv4: str = ""
    ipv6: str = ""


@dataclass(frozen=True)
class RecordFacts:
    """A record as it is stored: name relative to the zone, canonical value."""

    name: str
    type: str
    ttl: int | None
    value: str


@dataclass(frozen=True)
class ZoneFacts:
    """A zone as SQL has it. `challenges`: (relative name, value)."""

    apex: str
    default_ttl: int = 60
    mname: str = ""
    rname: str = ""
    refresh: int = 300
    retry: int = 60
    expire: int = 2_419_200
    minimum: int = 60
    nameservers: tuple[NameServerFacts, ...] = ()
    records: tuple[RecordFacts, ...] = ()
    challenges: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The addresses with which one whole name is answered. `ttl` None: the zone's."""

    name: str
    ttl: int | None
    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...]


@dataclass
class Built:
    """A zone as it should be."""

    names: Names
    soa: Soa
    warnings: list[str] = field(default_factory=list)


class Neighbourhood:
    """How zones lie in each other: looked at once for all of them."""

    def __init__(self, zones: Iterable[ZoneFacts]) -> None:
        every = list(zones)
        self.apexes = {zone.apex for zone in every}
        self.children: dict[str, list[ZoneFacts]] = defaultdict(list)
        self.servers: dict[str, list[NameServerFacts]] = defaultdict(list)
        for zone in every:
            if parent := self._above(zone.apex):
                self.children[parent].append(zone)
            for server in zone.nameservers:
                apex = closest_apex(server.name, self.apexes)
                while apex:
                    self.servers[apex].append(server)
                    apex = self._above(apex)

    def _above(self, apex: str) -> str | None:
        return closest_apex(apex.partition(".")[2], self.apexes)


def build_zone(zone: ZoneFacts, around: Neighbourhood, answers: Iterable[Answer]) -> Built:
    """The zone, with the delegations to those around it that lie below it.

    `answers`: of the names that lie in this zone and in none below it; others are ignored.
    """
    return _Builder(zone, around).build(answers)


class _Builder:
    def __init__(self, zone: ZoneFacts, around: Neighbourhood) -> None:
        self.zone = zone
        self.around = around
        self.children = around.children[zone.apex]
        self.cuts = {owner_in(child.apex, zone.apex) or "": child.apex for child in self.children}
        self.values: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.ttls: dict[tuple[str, str], int] = {}
        self.servers: set[str] = set()  # owner names of name servers
        self.warnings: list[str] = []

    def build(self, answers: Iterable[Answer]) -> Built:
        self._delegations()
        self._server_addresses()
        self._records()
        self._challenges()
        names = self._collected()
        self._answers(names, answers)
        return Built(dict(sorted(names.items())), self._soa(), self.warnings)

    def _add(self, owner: str, rtype: str, ttl: int, value: str) -> None:
        key = (owner, rtype)
        self.values[key].add(value)
        # One TTL for a whole set (RFC 2181 section 5.2): the lowest, which nobody has asked to exceed.
        self.ttls[key] = min(ttl, self.ttls.get(key, ttl))

    def _delegations(self) -> None:
        for server in self.zone.nameservers:
            self._add(APEX, "NS", STEADY_TTL, f"{server.name}.")
        for child in self.children:
            owner = owner_in(child.apex, self.zone.apex) or ""
            if not child.nameservers:
                self.warnings.append(f"{child.apex} has no name servers, so it is not delegated.")
            for server in child.nameservers:
                self._add(owner, "NS", STEADY_TTL, f"{server.name}.")

    def _server_addresses(self) -> None:
        """Addresses of name servers that lie in this zone; and below its cuts, of those it names (glue)."""
        named = {server.name for zone in [self.zone, *self.children] for server in zone.nameservers}
        for server in self.around.servers[self.zone.apex]:
            owner = owner_in(server.name, self.zone.apex) or APEX
            here = closest_apex(server.name, self.around.apexes) == self.zone.apex
            if not here and server.name not in named:
                continue
            for rtype, address in zip(ADDRESSES, (server.ipv4, server.ipv6), strict=True):
                if address:
                    self._add(owner, rtype, STEADY_TTL, address)
                    self.servers.add(owner)

    def _records(self) -> None:
        kept: dict[str, list[Row]] = defaultdict(list)
        taken = dict.fromkeys(self.servers, "a name server")
        # An alias comes last: what it cannot stand beside was there before it.
        for record in sorted(self.zone.records, key=lambda r: (r.type == "CNAME", r.name, r.type, r.value)):
            row = Row(record.name, record.type, record.value)
            if problem := conflict(row, kept[record.name], taken=taken, cuts=self.cuts):
                self._left_out(f"{record.type} {record.value}", record.name, problem)
                continue
            kept[record.name].append(row)
            self._add(record.name, record.type, self._ttl(record.ttl), record.value)

    def _challenges(self) -> None:
        for name, value in sorted(self.zone.challenges):
            if covering_cut(name, self.cuts):
                self._left_out("challenge", name, "It lies in a zone below this one.")
            elif (name, "CNAME") in self.values:
                self._left_out("challenge", name, "There is a CNAME at its name.")
            else:
                self._add(name, "TXT", CHALLENGE_TTL, f'"{value}"')

    def _collected(self) -> Names:
        names: dict[str, list[RRset]] = defaultdict(list)
        for (owner, rtype), values in sorted(self.values.items()):
            names[owner].append((rtype, self.ttls[owner, rtype], tuple(sorted(values))))
        return {owner: tuple(rrsets) for owner, rrsets in names.items()}

    def _answers(self, names: Names, answers: Iterable[Answer]) -> None:
        """Add the sites' addresses; a name that an operator's record answers for keeps that answer."""
        made: dict[tuple[int, tuple[str, ...], tuple[str, ...]], tuple[RRset, ...]] = {}
        suffix, cuts = f".{self.zone.apex}", self.cuts
        for answer in answers:
            owner = APEX if answer.name == self.zone.apex else answer.name.removesuffix(suffix)
            if owner == answer.name or (cuts and covering_cut(owner, cuts)):
                continue
            if owner == MARKER:
                self._left_out("site", owner, "This name is the marker's.")
                continue
            key = (self._ttl(answer.ttl), answer.ipv4, answer.ipv6)
            if (rrsets := made.get(key)) is None:
                rrsets = made[key] = _address_sets(*key)
            if not (there := names.get(owner)):
                if rrsets:
                    names[owner] = rrsets
            elif owner in self.servers:
                self._left_out("site", owner, "This name is a name server.")
            elif not any(rtype in (*ADDRESSES, "CNAME") for rtype, _, _ in there):
                names[owner] = tuple(sorted([*there, *rrsets]))

    def _ttl(self, ttl: int | None) -> int:
        return self.zone.default_ttl if ttl is None else ttl

    def _left_out(self, what: str, owner: str, why: str) -> None:
        name = full_name(owner, self.zone.apex)
        shown = what if len(what) <= 60 else what[:60] + "…"
        self.warnings.append(f"{name}: the {shown} is left out. {why}")

    def _soa(self) -> Soa:
        zone = self.zone
        mname = zone.mname or next((server.name for server in zone.nameservers), f"ns.{zone.apex}")
        return Soa(
            mname=f"{mname}.",
            rname=mailbox_name(zone.rname or f"hostmaster@{zone.apex}"),
            refresh=zone.refresh,
            retry=zone.retry,
            expire=zone.expire,
            minimum=zone.minimum,
            ttl=STEADY_TTL,
        )


def _address_sets(ttl: int, ipv4: tuple[str, ...], ipv6: tuple[str, ...]) -> tuple[RRset, ...]:
    sets = zip(ADDRESSES, (ipv4, ipv6), strict=True)
    return tuple((rtype, ttl, tuple(sorted({*values}))) for rtype, values in sets if values)


def mailbox_name(address: str) -> str:
    """A mail address as a DNS name (RFC 1035 section 8): the dots of its first part are escaped."""
    local, _, host = address.rpartition("@")
    escaped = "".join(f"\\{c}" if c in '.;()"$' else c for c in local)
    return f"{escaped}.{host}."
