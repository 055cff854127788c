"""What a request to purge comes to: which targets of which domains. Reads the database, writes nothing."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
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
    """What is to be purged of one domain; `widened`: URLs of which all queries are purged, not only one."""

    domain: Domain
    targets: dict[Key, None] = field(default_factory=dict)
    widened: list[str] = field(default_factory=list)

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
        return _few([name for _, name in self.targets])

    @property
    def widening(self) -> str:
        """Why more is purged than was asked for; "" where it is not."""
        if not self.widened:
            return ""
        paths = _few(self.widened)
        return f"a rule of this domain changes the query in keys, so all queries of {paths} are purged"


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


def url_problems(*, urls: Sequence[str], domains: Sequence[Domain] = ()) -> dict[int, str]:
    """What is wrong with which of these URLs and paths, by its place in the list."""
    problems, addresses = {}, {}
    for place, text in enumerate(urls):
        try:
            addresses[place] = names.parse_url(text)
        except ValidationError as error:
            problems[place] = error.messages[0]
    owners = domains_of(address.host for address in addresses.values() if address.host)
    chosen = {domain.pk for domain in domains}
    for place, address in addresses.items():
        if problem := _problem(address, owners.get(address.host), chosen):
            problems[place] = problem
    return dict(sorted(problems.items()))


def _problem(address: names.Address, owner: Domain | None, chosen: Collection[int]) -> str:
    """Why nobody knows of which domain an address is; "": it is clear. `chosen` is empty where none are."""
    if not address.host:
        return "" if chosen else f"{address.name} is a path: say of which domain, or give the whole URL."
    if owner is None:
        return f"No domain has the host name {display_hostname(address.host)}."
    if chosen and owner.pk not in chosen:
        return f"{display_hostname(address.host)} belongs to the domain {owner}, which is not chosen."
    return ""


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
    ids = set(plans) if chosen else set()
    for address in addresses:
        owner = owners.get(address.host)
        if problem := _problem(address, owner, ids):
            problems[problem] = None
        elif owner is None:
            for pk in ids:
                by_domain[pk].append(address.name)
        else:
            plans.setdefault(owner.pk, PlannedPurge(owner))
            by_domain[owner.pk].append(address.name)
    if problems:
        raise PurgeRefused("urls", list(problems))
    for pk, found in by_domain.items():
        plan = plans[pk]
        widen = any("?" in name for name in found) and _rules_change_queries(plan.domain)
        paths = (name.partition("?")[0] for name in found if "?" in name)
        plan.widened = list(dict.fromkeys(paths)) if widen else []
        plan.targets |= dict.fromkeys(names.url_target(name, all_variants=widen) for name in found)


def _few(found: list[str]) -> str:
    shown = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in found[:NAMED]]
    more = len(found) - NAMED
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")


def _rules_change_queries(domain: Domain) -> bool:
    """Whether the key of an object may have another query than its URL, so that one variant has many keys."""
    return any("query" in rule["then"] for rule in domain_document(domain).get("rules", []))
