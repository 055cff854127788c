"""“Who serves this site, and why?”: the steering as it is now, for people. Nothing is changed by asking."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from dnszones.answering import Located, current_mask, locate, site_facts
from dnszones.distribution import Load, Takeover, loads, takeover
from dnszones.errors import NotSteered
from dnszones.explanation import Explanation, explain, listed, nodes_without
from dnszones.facts import Facts, read_facts
from dnszones.names import owner_in
from dnszones.readiness import serving_mask
from dnszones.steering import Steering, answers
from domains.hostnames import display_hostname, searched_hostname
from domains.models import Domain, HostName
from edge import keyspace
from edge.acks import read_acks
from edge.store import reaching_redis
from nodes.models import Node


@dataclass(frozen=True)
class Inquiry:
    """The answer for one domain. `without`: the nodes that are taken for down; `taking_over`: who is sent
    clients then and is not now. `names`: where the domain is answered."""

    domain: Domain
    names: tuple[str, ...]
    explanation: Explanation
    without: tuple[str, ...] = ()
    taking_over: tuple[str, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """Everything but the table."""
        said = [self.explanation.sentence, *self.explanation.notes]
        if not self.without:
            return said
        gone = f"{listed(self.without)} {'were' if len(self.without) > 1 else 'was'} down"
        after = f"Taking over: {', '.join(self.taking_over)}." if self.taking_over else "No other takes over."
        return [f"If {gone}:", *said, after]


@dataclass(frozen=True)
class Fleet:
    """All sites. `notes`: what is wrong with regions."""

    sites: int
    loads: list[Load]
    notes: list[str]


@dataclass(frozen=True)
class FleetChange:
    """What moves if nodes go down. `notes`: what would be wrong with regions then."""

    without: tuple[str, ...]
    takeover: Takeover
    notes: list[str]

    @property
    def sentence(self) -> str:
        moved, sites = self.takeover.moved, self.takeover.sites
        return f"If {listed(self.without)} went down, {moved:,} of {sites:,} sites would move."

    @property
    def gaining(self) -> list[tuple[str, int]]:
        """Who takes over how many sites, the most first."""
        return sorted(self.takeover.gained.items(), key=lambda item: (-item[1], item[0]))


def domain_inquire(*, domain: Domain, without: Iterable[str] = ()) -> Inquiry:
    """Who serves a domain, with what the edges have acknowledged and the DNS answers now.

    Raises `NotSteered`, `RedisUnreachable`.
    """
    gone = _known(without)
    facts = read_facts(domain_id=domain.pk)
    located = locate(facts)
    if not located:
        raise NotSteered(_why_not(domain, facts))
    now = _explain(facts, located[0], ())
    then = _explain(facts, located[0], gone) if gone else now
    return Inquiry(
        domain,
        tuple(name for _, name in located[0].names),
        then,
        gone,
        tuple(sorted(then.answer.names - now.answer.names)),
    )


def domain_named(host: str) -> Domain:
    """The domain of a host name or of an access name. Raises `NotSteered`."""
    name = searched_hostname(host)
    found = HostName.objects.filter(name=name).select_related("domain").first()
    domain = found.domain if found else Domain.objects.filter(site__label=name.partition(".")[0]).first()
    if domain is None:
        raise NotSteered(f"No domain has the name {host}.")
    return domain


def fleet_inquire() -> Fleet:
    """How the sites are spread by health and wishes, as if every edge had every site."""
    steering = _steering(read_facts())
    return Fleet(len(steering), loads(steering), _notes(steering))


def fleet_without(*, nodes: Iterable[str]) -> FleetChange:
    """What would move if these nodes went down. Raises `NotSteered` where there is no such edge."""
    gone = _known(nodes)
    facts = read_facts()
    after = _steering(facts, gone)
    return FleetChange(gone, takeover(_steering(facts), after), _notes(after))


def _explain(facts: Facts, located: Located, without: Iterable[str]) -> Explanation:
    placement = located.placement
    apex, name = located.names[0]
    owner = owner_in(name, apex) or ""
    with reaching_redis() as client:
        text = client.hget(keyspace.zone_names_key(apex), owner)
    acks = read_acks(node.name for node in facts.nodes)
    if acks.failure:
        raise NotSteered(f"{acks.failure}, so it is not known which edges have the site.")
    by_name = [acks.of(node.name) for node in facts.nodes]
    return explain(
        site_facts(placement),
        facts.nodes,
        facts.regions,
        safety_share=settings.CIRRUS.safety_share,
        ready=serving_mask([placement.site], [placement.certificate], by_name),
        current=current_mask(facts, [located], {apex: {owner: str(text)}} if text else {}),
        without=without,
    )


def _steering(facts: Facts, without: Iterable[str] = ()) -> Steering:
    return answers(
        [site_facts(located.placement) for located in locate(facts)],
        nodes_without(facts.nodes, without),
        facts.regions,
        safety_share=settings.CIRRUS.safety_share,
    )


def _notes(steering: Steering) -> list[str]:
    return [region.sentence for region in steering.eligibility.regions.values() if region.sentence]


def _known(names: Iterable[str]) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(names))
    known = {*Node.objects.filter(is_edge=True, name__in=wanted).values_list("name", flat=True)}
    if unknown := [name for name in wanted if name not in known]:
        raise NotSteered(f"There is no edge {listed(unknown)}.")
    return wanted


def _why_not(domain: Domain, facts: Facts) -> str:
    host = display_hostname(domain.host)
    if not facts.zones:
        return f"{host} is not answered from here: there is no zone that is published."
    if not domain.enabled:
        return f"{host} is disabled, so the DNS does not answer it."
    if not facts.placements:
        return f"{host} is not on its way to the edges yet, so the DNS does not answer it."
    return f"{host} has no name in a zone that is published here."
