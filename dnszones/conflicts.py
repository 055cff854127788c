"""Records that cannot stand beside each other. `conflict` is pure; `record_problem` reads what there is."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from dnszones.names import covering_cut, owner_in
from dnszones.zonedata import APEX, MARKER
from domains.hostnames import display_hostname

if TYPE_CHECKING:
    from dnszones.models import Record, Zone


class Row(NamedTuple):
    """One record of an operator, normalized."""

    name: str
    type: str
    value: str


def conflict(row: Row, others: Iterable[Row], *, taken: Mapping[str, str], cuts: Mapping[str, str]) -> str:
    """Why `row` cannot stand in its zone, as a sentence; "" where it can.

    `others`: the zone's other records. `taken`: owner names that Cirrus answers for, and for what.
    `cuts`: owner names that are zones of their own → that zone.
    """
    if row.name == MARKER or row.name.endswith(f".{MARKER}"):
        return f"{MARKER} is the name of the record by which Cirrus sees what the secondaries answer."
    if cut := covering_cut(row.name, cuts):
        return f"This name lies in the zone {display_hostname(cuts[cut])}: the record belongs there."
    if row.name in taken and row.type in ("A", "AAAA", "CNAME"):
        return f"This name is {taken[row.name]}, which Cirrus answers for by itself."
    if row.name == APEX and row.type == "CNAME":
        return (
            "The zone's own name cannot be a CNAME: it has SOA and NS records already (RFC 1034 section "
            "3.6.2). A domain of yours with this name is answered by itself."
        )
    return _neighbours(row, [other for other in others if other.name == row.name])


def _neighbours(row: Row, others: list[Row]) -> str:
    """A CNAME stands alone (RFC 1034 section 3.6.2)."""
    if any(other == row for other in others):
        return "The zone has this record already."
    if alias := next((other for other in others if other.type == "CNAME"), None):
        return f"{row.name} is a CNAME to {alias.value} already, and a CNAME stands alone at its name."
    if row.type == "CNAME" and others:
        types = " and ".join(sorted({other.type for other in others}))
        return (
            f"A CNAME stands alone at its name, and {row.name} has {types} already (RFC 1034 section 3.6.2)."
        )
    return ""


def record_problem(record: "Record") -> str:
    """Why this record cannot be saved beside what is stored; "" where it can."""
    from dnszones.models import Challenge, Record

    same_name = Record.objects.filter(zone_id=record.zone_id, name=record.name).exclude(pk=record.pk)
    others = [Row(*values) for values in same_name.values_list("name", "type", "value")]
    challenged = Challenge.objects.filter(zone_id=record.zone_id, name=record.name)
    others += [Row(record.name, "TXT", value) for value in challenged.values_list("value", flat=True)]
    row = Row(record.name, record.type, record.value)
    return conflict(row, others, taken=taken_names(record.zone, [record.name]), cuts=cuts_of(record.zone))


def taken_names(zone: "Zone", names: Iterable[str]) -> dict[str, str]:
    """Those of the owner names that Cirrus itself answers for, and what they are."""
    from dnszones.models import NameServer, Site

    wanted = list(names)
    taken = {}
    for site in Site.objects.filter(zone=zone, label__in=wanted).select_related("domain"):
        taken[site.label] = f"the access name of {site.domain}" if site.domain else "a retired access name"
    for server in NameServer.objects.all():
        owner = owner_in(server.name, zone.apex)
        if owner in wanted and (server.ipv4 or server.ipv6):
            taken[owner] = "a name server"
    return taken


def cuts_of(zone: "Zone") -> dict[str, str]:
    """The zones below this one: owner name → apex."""
    from dnszones.models import Zone

    below = Zone.objects.filter(apex__endswith=f".{zone.apex}").values_list("apex", flat=True)
    return {owner: apex for apex in below if (owner := owner_in(apex, zone.apex))}
