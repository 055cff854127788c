"""Name servers and records of a zone, each list set as a whole, and records put and deleted one by one.

What is the same stays as it is: nothing is saved for it, so no zone is built. Call inside a transaction;
where `PartErrors` is raised, what was done until then is to be rolled back.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from dnszones.conflicts import Row, conflict, cuts_of, taken_names
from dnszones.models import Challenge, NameServer, Record, Zone
from domains.parts import Done, PartErrors, Values

#: Records that one list may have.
MOST_RECORDS = 100_000


@dataclass
class Counted(Done):
    """How many rows each verb (`add`, `change`, `delete`) was done to."""

    counts: Counter[str] = field(default_factory=Counter)

    def note(self, row: models.Model, verb: str) -> None:
        super().note(row, verb)
        self.counts[verb] += 1


def nameservers_set(*, zone: Zone, wanted: Sequence[Values]) -> Done:
    """Give the zone these name servers in this order. Raises `PartErrors`."""
    rows = list(NameServer.objects.filter(zone=zone))
    built = [NameServer(zone=zone, **values) for values in wanted]
    errors = _cleaned_servers(built)
    if errors:
        raise PartErrors(errors)
    same = 0  # the order of rows is that of their keys: after the first other name all are made anew
    while same < min(len(rows), len(built)) and rows[same].name == built[same].name:
        same += 1
    done = Done()
    for row in rows[same:]:
        done.note(row, "delete")
        row.delete()
    for row, server in zip(rows[:same], built, strict=False):
        if (row.ipv4, row.ipv6) != (server.ipv4, server.ipv6):
            row.ipv4, row.ipv6 = server.ipv4, server.ipv6
            done.note(row, "change")
            row.save()
    for server in built[same:]:
        done.note(server, "add")
        server.save()
    return done


def records_set(*, zone: Zone, wanted: Sequence[Values], keep: bool = False) -> Counted:
    """Give the zone these records, and no others unless `keep`. Raises `PartErrors`."""
    if len(wanted) > MOST_RECORDS:
        raise PartErrors({MOST_RECORDS: [f"A zone has at most {MOST_RECORDS:,} records here."]})
    rows = {_key(row): row for row in Record.objects.filter(zone=zone)}
    made, errors = _cleaned_records(zone, wanted)
    stay = {} if not keep else {key: row for key, row in rows.items() if key not in made}
    errors |= _conflicts(zone, made, stay.values())
    if errors:
        raise PartErrors(errors)
    done = Counted()
    for key in rows.keys() - made.keys() - stay.keys():
        done.note(rows[key], "delete")
        rows[key].delete()
    for key, (_, record) in made.items():
        if key not in rows:
            done.note(record, "add")
            record.save()
        elif rows[key].ttl != record.ttl:
            rows[key].ttl = record.ttl
            done.note(rows[key], "change")
            rows[key].save()
    return done


def record_put(*, zone: Zone, values: Values) -> tuple[Record, str]:
    """Have the zone this record, with this TTL; it, and `add`, `change` or "". Raises `ValidationError`."""
    wanted = Record(zone=zone, **values)
    wanted.clean_fields(exclude={"zone"})
    row = record_like(zone=zone, values=values)
    if row is None:
        wanted.full_clean(exclude={"zone"})
        wanted.save()
        return wanted, "add"
    if row.ttl == wanted.ttl:
        return row, ""
    row.ttl = wanted.ttl
    row.save()
    return row, "change"


def record_like(*, zone: Zone, values: Values) -> Record | None:
    """The record of the zone with this name, type and value, however they are typed. `ValidationError`."""
    wanted = Record(zone=zone, **values)
    wanted.clean_fields(exclude={"zone"})
    name, rtype, value = _key(wanted)
    return Record.objects.filter(zone=zone, name=name, type=rtype, value=value).first()


def _key(record: Record) -> Row:
    return Row(record.name, record.type, record.value)


def _cleaned_servers(servers: Sequence[NameServer]) -> dict[int, Any]:
    """Bring them into their form; what is wrong, by place."""
    errors: dict[int, Any] = {}
    names: set[str] = set()
    for place, server in enumerate(servers):
        try:
            server.clean_fields(exclude={"zone"})
            server.clean()
        except ValidationError as error:
            errors[place] = error.message_dict
            continue
        if server.name in names:
            errors[place] = {"name": ["The zone has this name server already."]}
        names.add(server.name)
    return errors


def _cleaned_records(
    zone: Zone, wanted: Sequence[Values]
) -> tuple[dict[Row, tuple[int, Record]], dict[int, Any]]:
    """The records in their form with their places, and what is wrong with the others."""
    made: dict[Row, tuple[int, Record]] = {}
    errors: dict[int, Any] = {}
    for place, values in enumerate(wanted):
        record = Record(zone=zone, **values)
        record.checked_together = True
        try:
            record.clean_fields(exclude={"zone"})
            record.clean()
        except ValidationError as error:
            errors[place] = error.message_dict
            continue
        if _key(record) in made:
            errors[place] = {"value": [f"It stands here twice, in place {made[_key(record)][0]} already."]}
        else:
            made[_key(record)] = (place, record)
    return made, errors


def _conflicts(zone: Zone, made: Mapping[Row, tuple[int, Record]], stay: Iterable[Record]) -> dict[int, Any]:
    """What cannot stand beside the others, by place; of two, an alias is at fault."""
    taken, cuts = taken_names(zone, {row.name for row in made}), cuts_of(zone)
    beside: dict[str, list[Row]] = {}
    for record in stay:
        beside.setdefault(record.name, []).append(_key(record))
    for name, value in Challenge.objects.filter(zone=zone).values_list("name", "value"):
        beside.setdefault(name, []).append(Row(name, "TXT", f'"{value}"'))
    errors: dict[int, Any] = {}
    for row in sorted(made, key=lambda row: row.type == Record.Type.CNAME):
        others = beside.setdefault(row.name, [])
        if problem := conflict(row, others, taken=taken, cuts=cuts):
            errors[made[row][0]] = {"name": [problem]}
        others.append(row)
    return errors
