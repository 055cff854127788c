"""Aliases, origins and rules of a domain, each list set as a whole.

What is the same stays as it is: nothing is saved for it, so no signal is sent and no revision made. Call
inside a transaction; where `PartErrors` is raised, what was done until then is to be rolled back.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import models

from domains import limits
from domains.models import CacheCondition, CacheRule, Domain, HostName, Origin
from domains.models.domain import claimed_by, normalize_claim
from domains.services import STEP

Row = TypeVar("Row", bound=models.Model)
#: What a row is to say, by field; `id` may say which row of the domain it is.
Values = Mapping[str, Any]

#: Names that are looked for in one statement.
CHUNK = 500


class PartErrors(Exception):
    """What is wrong with which item of a list: place → sentences, by field where it is a field's."""

    def __init__(self, errors: Mapping[int, Any]) -> None:
        super().__init__(f"{len(errors)} items are not valid")
        self.errors = dict(errors)


@dataclass
class Done:
    """What a list came to: which of Django's verbs (`add`, `change`, `delete`) on which models."""

    verbs: set[tuple[type[models.Model], str]] = field(default_factory=set)

    def note(self, row: models.Model, verb: str) -> None:
        self.verbs.add((type(row), verb))

    def __bool__(self) -> bool:
        return bool(self.verbs)


def aliases_set(*, domain: Domain, names: Sequence[str]) -> Done:
    """Have the domain answer to these names beside its own. Raises `PartErrors`."""
    wanted = _claims(domain, names)
    done = Done()
    rows = {row.name: row for row in HostName.objects.filter(domain=domain, primary=False)}
    for name in rows.keys() - wanted:
        done.note(rows[name], "delete")
        rows[name].delete()
    for name in wanted:
        if name not in rows:
            row = HostName(domain=domain, name=name)
            row.save()
            done.note(row, "add")
    return done


def origins_set(*, domain: Domain, wanted: Sequence[Values]) -> Done:
    """Give the domain these origins and no others. Raises `PartErrors`."""
    rows = list(Origin.objects.filter(domain=domain))
    pairs, left = paired(rows, wanted, same=_has, key=lambda row: (row.scheme, row.host, row.port))
    done = _deleted(left)
    errors: dict[int, Any] = {}
    for place, (row, values) in enumerate(zip(pairs, wanted, strict=True)):
        _save(row or Origin(domain=domain), values, done, errors, place)
    return _or_errors(done, errors)


def rules_set(*, domain: Domain, wanted: Sequence[Values]) -> Done:
    """Give the domain these rules in this order; each has its `conditions`. Raises `PartErrors`."""
    rows = list(CacheRule.objects.filter(domain=domain).prefetch_related("conditions"))
    pairs, left = paired(rows, wanted, same=_has, key=lambda row: row.name)
    done = _deleted(left)
    errors: dict[int, Any] = {}
    last = (-1, 0)
    for place, (row, values) in enumerate(zip(pairs, wanted, strict=True)):
        rule = row or CacheRule(domain=domain)
        stays = rule.pk and (rule.position, rule.pk) > last
        position = rule.position if stays else last[0] + STEP if last[0] >= 0 else STEP
        own = {name: value for name, value in values.items() if name != "conditions"}
        if _save(rule, {**own, "position": position}, done, errors, place):
            last = (rule.position, rule.pk)
            try:
                done.verbs |= conditions_set(rule=rule, wanted=values.get("conditions", ())).verbs
            except PartErrors as error:
                errors[place] = {"conditions": error.errors}
    return _or_errors(done, errors)


def conditions_set(*, rule: CacheRule, wanted: Sequence[Values]) -> Done:
    """Give the rule these conditions in this order. Raises `PartErrors`."""
    if len(wanted) > limits.CONDITIONS:
        raise PartErrors({limits.CONDITIONS: [f"A rule has at most {limits.CONDITIONS} conditions."]})
    rows = list(CacheCondition.objects.filter(rule=rule))
    done = _deleted(rows[len(wanted) :])
    errors: dict[int, Any] = {}
    for place, values in enumerate(wanted):
        row = rows[place] if place < len(rows) else CacheCondition(rule=rule)
        _save(row, values, done, errors, place)
    return _or_errors(done, errors)


def rules_check(*, domain: Domain) -> None:
    """What only all rules together, or a rule and its domain, can say. Raises `PartErrors`."""
    errors: dict[int, Any] = {}
    values = 0
    rules = CacheRule.objects.filter(domain=domain).prefetch_related("conditions")
    for place, rule in enumerate(rules):
        conditions = list(rule.conditions.all())
        values += sum(len(condition.value_list) for condition in conditions)
        if not conditions and not rule.acts:
            errors[place] = {"conditions": [NOTHING]}
        elif values > limits.ALL_VALUES:
            said = f"The rules of a domain have at most {limits.ALL_VALUES:,} values together."
            errors[place] = {"conditions": [said]}
        elif rule.edge_ttl and rule.edge_ttl > domain.max_ttl:
            errors[place] = {
                "edge_ttl": ["This is longer than the domain's maximum TTL, which would cut it."]
            }
    if errors:
        raise PartErrors(errors)


#: Why a rule without conditions and actions is refused.
NOTHING = "This rule does nothing: it has no condition and no action. Say what it is for, or what it does."


def paired(
    rows: Sequence[Row],
    wanted: Sequence[Values],
    *,
    same: Callable[[Row, Values], bool],
    key: Callable[[Row], Any],
) -> tuple[list[Row | None], list[Row]]:
    """For each item the row that becomes it (None: a new one), and the rows that are left over.

    By `id`; then the rows that say the same already; then those with the same key. Pure.
    """
    found: list[Row | None] = [None] * len(wanted)
    left = {row.pk: row for row in rows}
    built = [key(_row_of(type(rows[0]), values)) if rows else None for values in wanted]
    passes: list[Callable[[int, Row], bool]] = [
        lambda place, row: wanted[place].get("id") == row.pk,
        lambda place, row: same(row, wanted[place]),
        lambda place, row: built[place] == key(row),
    ]
    for fits in passes:
        for place in range(len(wanted)):
            if found[place] is None:
                match = next((row for row in left.values() if fits(place, row)), None)
                if match is not None:
                    found[place] = left.pop(match.pk)
    return found, list(left.values())


def _row_of(model: type[Row], values: Values) -> Row:
    row = model()
    for name, value in values.items():
        if name not in ("id", "conditions"):
            setattr(row, name, value)
    return row


def _has(row: models.Model, values: Values) -> bool:
    """Whether a row says this already, its conditions included."""
    own = {name: value for name, value in values.items() if name not in ("id", "conditions")}
    if any(getattr(row, name) != value for name, value in own.items()):
        return False
    if isinstance(row, CacheRule):
        conditions, theirs = list(row.conditions.all()), values.get("conditions", ())
        return len(conditions) == len(theirs) and all(map(_has, conditions, theirs))
    return True


def _save(row: models.Model, values: Values, done: Done, errors: dict[int, Any], place: int) -> bool:
    """Save a row if it says something new; False where it is not valid."""
    changed = []
    for name, value in values.items():
        if name != "id" and getattr(row, name) != value:
            setattr(row, name, value)
            changed.append(name)
    if row.pk and not changed:
        return True
    try:
        row.full_clean(exclude=["domain", "rule"])
    except ValidationError as error:
        errors[place] = error.message_dict
        return False
    done.note(row, "change" if row.pk else "add")
    row.save()
    return True


def _deleted(rows: Iterable[models.Model]) -> Done:
    done = Done()
    for row in rows:
        done.note(row, "delete")
        row.delete()
    return done


def _or_errors(done: Done, errors: Mapping[int, Any]) -> Done:
    if errors:
        raise PartErrors(errors)
    return done


def _claims(domain: Domain, names: Sequence[str]) -> dict[str, int]:
    """The names in their form, and their places. Raises `PartErrors`."""
    errors: dict[int, Any] = {}
    wanted: dict[str, int] = {}
    for place, text in enumerate(names):
        try:
            name = normalize_claim(text)
        except ValidationError as error:
            errors[place] = error.messages
            continue
        if name == domain.host:
            errors[place] = [f"{text} is the host name of this domain itself."]
        elif name in wanted:
            errors[place] = [f"{text} stands here twice."]
        wanted.setdefault(name, place)
    for claim in _claims_of_others(domain, [*wanted]):
        errors.setdefault(wanted[claim.name], [claimed_by(claim)])
    if len(names) > limits.ALIASES:
        errors[limits.ALIASES] = [f"A domain has at most {limits.ALIASES:,} aliases."]
    if errors:
        raise PartErrors(errors)
    return wanted


def _claims_of_others(domain: Domain, names: Sequence[str]) -> Iterable[HostName]:
    for start in range(0, len(names), CHUNK):
        yield from HostName.objects.claims_of_others(names[start : start + CHUNK], domain_id=domain.pk)
