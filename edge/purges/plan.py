"""What a request to purge comes to: which targets of which domains. Reads the database, writes nothing."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from domains.documents import domain_document
from domains.hostnames import covering_wildcards, display_hostname
from domains.models import Domain, HostName
from edge.errors import PurgeRefused
from edge.purges import names
from edge.purges.table import ALL, TAG, WHOLE, Key

#: Words for each scope: one, several.
WORDS = {"url": ("URL", "URLs"), "prefix": ("prefix", "prefixes"), "tag": ("tag", "tags")}
#: Targets that a summary names, and characters of each.
NAMED, LONGEST = 3, 50


@dataclass
class PlannedPurge:
    """What is to be purged of one domain; `widened`: queries that stand for all variants of their URL."""

    domain: Domain
    targets: dict[Key, None] = field(default_factory=dict)
    widened: int = 0

    @property
    def scope(self) -> str:
        """The one scope of all targets, or “mixed”."""
        scopes = {scope for scope, _ in self.targets}
        return scopes.pop() if len(scopes) == 1 else "mixed"

    @property
    def counted(self) -> str:
        """“everything”, “2 URLs and 1 tag”."""
        if WHOLE in self.targets:
            return "everything"
        counts = {scope: sum(1 for found, _ in self.targets if found == scope) for scope in WORDS}
        return " and ".join(f"{n:,} {WORDS[scope][n > 1]}" for scope, n in counts.items() if n)

    @property
    def summary(self) -> str:
        """The first targets by name."""
        if WHOLE in self.targets:
            return "everything"
        shown = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for _, name in self.targets]
        more = len(shown) - NAMED
        return ", ".join(shown[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def purge_plan(
    *,
    domains: Sequence[Domain] = (),
    urls: Iterable[str] = (),
    prefixes: Iterable[str] = (),
    tags: Iterable[str] = (),
    everything: bool = False,
) -> list[PlannedPurge]:
    """What is to be purged, by domain; see `purge_request`. Raises `PurgeRefused`."""
    addresses = _each("urls", urls, names.parse_url)
    below = _each("prefixes", prefixes, names.parse_prefix)
    tagged = _each("tags", tags, names.parse_tag)
    if not (addresses or below or tagged or everything):
        raise PurgeRefused("urls", ["Say what to purge: URLs, prefixes, tags, or everything."])
    if everything and (addresses or below or tagged):
        raise PurgeRefused("urls", ["Everything includes URLs, prefixes and tags: leave them out."])
    if not domains and (below or tagged or everything):
        raise PurgeRefused("domain", ["Say of which domain: prefixes, tags and everything belong to one."])
    plans = {domain.pk: PlannedPurge(domain) for domain in domains}
    _add_urls(plans, addresses, chosen=bool(domains))
    for plan in plans.values() if domains else ():
        plan.targets |= dict.fromkeys(names.prefix_target(name) for name in below)
        plan.targets |= dict.fromkeys((TAG, name) for name in tagged)
        plan.targets |= {(ALL, ""): None} if everything else {}
    if empty := [str(plan.domain) for plan in plans.values() if not plan.targets]:
        raise PurgeRefused("urls", [f"Say what to purge of {', '.join(empty)}."])
    return sorted(plans.values(), key=lambda plan: plan.domain.pk)


def domains_of(hosts: Iterable[str]) -> dict[str, Domain]:
    """The domain that answers for each of these (normalized) hosts, as an edge finds it."""
    wanted = {host: [host, *covering_wildcards(host)] for host in set(hosts)}
    candidates = {name for chain in wanted.values() for name in chain}
    claims = {claim.name: claim.domain for claim in _claims(candidates)}
    return {
        host: next(claims[name] for name in chain if name in claims)
        for host, chain in wanted.items()
        if any(name in claims for name in chain)
    }


def _claims(candidates: Iterable[str]) -> Iterable[HostName]:
    found = list(candidates)
    for start in range(0, len(found), 500):
        yield from HostName.objects.filter(name__in=found[start : start + 500]).select_related("domain")


def _each(field_name: str, texts: Iterable[str], parse: Callable[[str], Any]) -> list[Any]:
    found, problems = [], []
    for text in texts:
        try:
            found.append(parse(text))
        except ValidationError as error:
            problems += error.messages
    if problems:
        raise PurgeRefused(field_name, problems)
    return found


def _add_urls(plans: dict[int, PlannedPurge], addresses: list[names.Address], *, chosen: bool) -> None:
    owners = domains_of(address.host for address in addresses if address.host)
    problems: dict[str, None] = {}
    by_domain: dict[int, list[str]] = defaultdict(list)
    for address in addresses:
        owner = owners.get(address.host)
        if not address.host and chosen:
            for pk in plans:
                by_domain[pk].append(address.name)
        elif not address.host:
            problems[f"{address.name} is a path: say of which domain, or give the whole URL."] = None
        elif owner is None:
            problems[f"No domain has the host name {display_hostname(address.host)}."] = None
        elif chosen and owner.pk not in plans:
            problems[
                f"{display_hostname(address.host)} belongs to the domain {owner}, which is not chosen."
            ] = None
        else:
            plans.setdefault(owner.pk, PlannedPurge(owner))
            by_domain[owner.pk].append(address.name)
    if problems:
        raise PurgeRefused("urls", list(problems))
    for pk, found in by_domain.items():
        plan = plans[pk]
        widen = any("?" in name for name in found) and _rules_change_queries(plan.domain)
        plan.widened = sum(1 for name in found if "?" in name) if widen else 0
        plan.targets |= dict.fromkeys(names.url_target(name, all_variants=widen) for name in found)


def _rules_change_queries(domain: Domain) -> bool:
    """Whether the key of an object may have another query than its URL, so that one variant has many keys."""
    return any("query" in rule["then"] for rule in domain_document(domain).get("rules", []))
