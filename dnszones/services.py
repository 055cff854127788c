"""What can be done with zones and sites beside editing their fields."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction

from dnszones.errors import ChallengeRefused, ZoneRefused
from dnszones.models import Challenge, Record, Site, Zone
from dnszones.names import closest_apex, encode_name, full_name, owner_in
from dnszones.publishing import zones_rebuild
from dnszones.staging import zones_force
from dnszones.watching import insync_wait
from dnszones.zonedata import MARKER
from domains.models import Domain
from nodes.models import Node, Region

#: Seconds that somebody who must have an answer everywhere waits for it.
INSYNC_PATIENCE = 60.0


@dataclass(frozen=True)
class InSync:
    """A version that every secondary answers. `seconds`: how long that took after it was published."""

    zone: Zone
    serial: int
    seconds: float


@transaction.atomic
def challenge_publish(*, name: str, value: str) -> Zone:
    """Have `value` answered as TXT at the whole name `name`, beside what is there; the zone it is in.

    A name may have several values at once. The caller waits with `zone_wait`. Raises `ChallengeRefused`.
    """
    zone, owner = _challenged(name)
    if (
        not value
        or not value.isascii()
        or not value.isprintable()
        or set(value) & set('"\\')
        or len(value) > 255
    ):
        raise ChallengeRefused(f"The value for {name} is not one of 1 to 255 plain characters.")
    if Record.objects.filter(zone=zone, name=owner, type=Record.Type.CNAME).exists():
        raise ChallengeRefused(
            f"{name} is a CNAME in the zone {zone}, so it has no TXT of its own: delete that record, or have "
            "the challenge answered where it points at."
        )
    Challenge.objects.get_or_create(zone=zone, name=owner, value=value)
    return zone


@transaction.atomic
def challenge_withdraw(*, name: str, value: str = "") -> int:
    """Take back this value, or with "" every value, of the name; their number. None is no mistake."""
    try:
        zone, owner = _challenged(name)
    except ChallengeRefused:
        return 0
    challenges = Challenge.objects.filter(zone=zone, name=owner)
    found = list(challenges.filter(value=value) if value else challenges)
    for challenge in found:
        challenge.delete()
    return len(found)


def _challenged(name: str) -> tuple[Zone, str]:
    try:
        whole = encode_name(name, wildcard=False)
    except ValidationError as error:
        raise ChallengeRefused(" ".join(error.messages)) from error
    zones = {zone.apex: zone for zone in Zone.objects.published()}
    apex = closest_apex(whole, zones)
    if apex is None:
        raise ChallengeRefused(f"{name} lies in none of the zones that are published here.")
    owner = owner_in(whole, apex) or ""
    if owner == MARKER:
        raise ChallengeRefused(f"{name} is the name of the zone's own marker record.")
    return zones[apex], owner


def zone_wait(*, zone: Zone, timeout: float = INSYNC_PATIENCE) -> InSync:
    """Publish what is saved of the zone now, and wait until every secondary answers it.

    For workers: it builds and waits itself. Raises `NotInSync`, `ZoneRefused`, `BuildBusy`, `NotPublished`.
    """
    outcomes = zones_rebuild(only={zone.apex}).outcomes
    if not outcomes or outcomes[0].refused:
        # What is answered everywhere then is an older version, without what is waited for.
        raise ZoneRefused(zone.apex, outcomes[0].refused if outcomes else "It is disabled.")
    zone.refresh_from_db()
    seconds = insync_wait(zone=zone, serial=zone.serial, timeout=timeout)
    return InSync(zone, zone.serial, seconds)


def zones_publish_anyway(*, zones: Iterable[Zone]) -> None:
    """Have a worker publish the newest build of these zones, even where it takes many names away."""
    zones_force([zone.pk for zone in zones])


@transaction.atomic
def site_steer(
    *,
    site: Site,
    replicas: int | None = None,
    ttl: int | None = None,
    pinned: Iterable[Node] = (),
    excluded: Iterable[Node] = (),
    regions: Iterable[Region] = (),
) -> Site:
    """Say how a domain's nodes are chosen; what is not given is as for every domain.

    Raises `ValidationError`.
    """
    pins, exclusions = list(pinned), list(excluded)
    if problem := override_problem(pins, exclusions):
        raise ValidationError({"excluded": problem})
    site.replicas, site.ttl = replicas, ttl
    site.full_clean()
    site.save()
    site.pinned.set(pins)
    site.excluded.set(exclusions)
    site.regions.set(regions)
    return site


def override_problem(pinned: Iterable[Node], excluded: Iterable[Node]) -> str:
    """Why these overrides contradict each other, as a sentence; "" where they do not."""
    excluded_names = {node.name for node in excluded}
    both = sorted(node.name for node in pinned if node.name in excluded_names)
    return f"{', '.join(both)} cannot be both pinned and excluded." if both else ""


def access_name(domain: Domain) -> str:
    """The name that the domain's owner points a CNAME at; "" while no zone gives one."""
    site = Site.objects.filter(domain=domain).select_related("zone").first()
    return full_name(site.label, site.zone.apex) if site else ""
