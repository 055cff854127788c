"""From the document to SQL: in one transaction, compared before and after, and refused where it removes
too much. A plan is the same, rolled back."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, RestrictedError
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.fields import get_error_detail

from api import history
from cirrus_site.errors import CirrusError
from configuration.comparing import Documents, Plan, compare, lost
from configuration.errors import ConfigInvalid, Excess, RemovesTooMuch
from configuration.exporting import VERSION, Items, items_read, plain
from configuration.locking import config_lock
from configuration.paths import Path, written
from configuration.secrets import Reveal
from configuration.sections import BY_NAME, SECTIONS, Section, concise

#: What may go of one kind of things at once, unless somebody says otherwise.
REMOVE_SHARE = 0.3
#: What a step may fail with.
WRONG = (ValidationError, DjangoValidationError, IntegrityError, ProtectedError, RestrictedError, CirrusError)
#: A key of DRF's errors that is a place in a list.
NUMBER = re.compile("0|[1-9][0-9]{0,8}")
#: Django's verb for each change.
VERBS = {"created": "add", "changed": "change", "removed": "delete"}


@dataclass(frozen=True)
class Step:
    """One item that is put or removed. `path`: where it stands in the document, or does not stand."""

    path: Path
    section: Section
    key: str
    do: Callable[[], None]
    removes: bool = False


@dataclass
class Wanted:
    """What a document asks for. `items`: section → key → (path, item)."""

    items: dict[str, dict[str, tuple[Path, dict[str, Any]]]] = field(default_factory=dict)
    errors: dict[Path, str] = field(default_factory=dict)


def config_apply(
    *,
    document: Any,
    reveal: Reveal,
    user: Any,
    plan_only: bool = False,
    prune: bool = False,
    remove_share: float = REMOVE_SHARE,
) -> Plan:
    """Have everything as the document says; what came, or would come, of it.

    `user` is who does it: their rights are asked for. `prune`: remove what a section that is there does not
    name. `remove_share`: what may go of one kind at once; a plan that removes more says so in its notes. One
    is applied after the other. Raises `ConfigInvalid`, `RemovesTooMuch`, `ApplyBusy`, `PermissionDenied`;
    nothing is done then.
    """
    wanted = read(document, reveal)
    if wanted.errors:
        raise ConfigInvalid(wanted.errors)
    with history.atomic():
        config_lock()
        before = items_read(wanted.items)
        view = SimpleNamespace(secret="", made=[])
        steps = list(_steps(wanted, before, prune, _context(user, view)))
        _carry_out(steps)
        after = items_read(wanted.items) if steps else before
        plan = compare(before, after)
        plan.notes += [f"secondaries {name}: a new key was made." for name in view.made]
        _require_rights(plan, before, after, user)
        excesses = list(_excesses(before, after, plan, remove_share))
        if plan_only:
            plan.notes += [
                f"An apply would be refused. {excess.reason} {RemovesTooMuch.REMEDY}" for excess in excesses
            ]
            transaction.set_rollback(True)
        elif excesses:
            raise RemovesTooMuch(excesses, plan.sentence)
    return plan


def read(document: Any, reveal: Reveal) -> Wanted:
    """The items of a document by key, their secrets revealed; what is wrong with its form is in `errors`."""
    wanted = Wanted()
    if not isinstance(document, dict):
        wanted.errors[()] = "It is no object with sections."
        return wanted
    if document.get("version") != VERSION:
        wanted.errors["version",] = f"It is {VERSION} for this Cirrus."
    for name in document:
        if name != "version" and name not in BY_NAME:
            wanted.errors[str(name),] = f"There is no such section; there are: {', '.join(BY_NAME)}."
    for section in SECTIONS:
        if section.name in document:
            wanted.items[section.name] = {}
            _read_section(section, document[section.name], wanted, reveal)
    return wanted


def _read_section(section: Section, items: Any, wanted: Wanted, reveal: Reveal) -> None:
    if not isinstance(items, list):
        wanted.errors[section.name,] = "It is no list."
        return
    found = wanted.items[section.name]
    for place, item in enumerate(items):
        path: Path = (section.name, place)
        key = item.get(section.key) if isinstance(item, dict) else None
        if not isinstance(key, str) or not key:
            wanted.errors[*path, section.key] = "Each item has one, and it is a text."
            continue
        if (key := section.form(key)) in found:
            wanted.errors[*path, section.key] = f"{key} is {written(found[key][0])} already."
            continue
        item = plain(item)
        for name in {*section.secrets} & {*item}:
            try:
                item[name] = reveal(item[name])
            except ValueError as error:
                wanted.errors[*path, name] = str(error)
        found[key] = (path, item)


def _steps(wanted: Wanted, before: Items, prune: bool, context: dict[str, Any]) -> Iterator[Step]:
    """What is to be done: removals, then what is new or other, in the order of the sections."""
    if prune:
        for section in reversed(SECTIONS):
            for key in before.get(section.name, {}):
                if key not in wanted.items[section.name]:
                    yield Step((section.name,), section, key, _removal(section, key), removes=True)
    for section in SECTIONS:
        there = before.get(section.name, {})
        for key, (path, item) in wanted.items.get(section.name, {}).items():
            if key not in there or not _is_there(section, item, there[key]):
                yield Step(path, section, key, _put(section, key, item, context))


def _is_there(section: Section, item: dict[str, Any], there: dict[str, Any]) -> bool:
    """Whether an item says what is there, so that nothing needs to be done; False where it is not clear."""
    if {*section.secrets} & {*item}:
        return False
    kept = {name: value for name, value in there.items() if name not in section.once}
    said = {name: value for name, value in item.items() if name not in section.once}
    if "access_name" in kept:
        said.setdefault("access_name", kept["access_name"])
    try:
        return concise(section, said) == kept
    except (AttributeError, KeyError, TypeError, ValueError):  # of another form than what is there
        return False


def _put(section: Section, key: str, item: dict[str, Any], context: dict[str, Any]) -> Callable[[], None]:
    def put() -> None:
        view = context["view"]
        view.secret = ""
        row = section.rows.filter(**{section.key: key}).first()
        data = item if row is None else {n: value for n, value in item.items() if n not in section.once}
        serializer = section.serializer(row, data=data, context=context)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        if view.secret:
            view.made.append(key)

    return put


def _removal(section: Section, key: str) -> Callable[[], None]:
    def remove() -> None:
        if row := section.rows.filter(**{section.key: key}).first():
            row.delete()

    return remove


def _carry_out(steps: list[Step]) -> None:
    """Do all steps. One that cannot be done yet (what it needs, or what stands in its way, comes later in the
    document) is tried again after the others. Raises `ConfigInvalid`."""
    _make_regions(steps)
    left = steps
    while left:
        errors: list[tuple[Step, Exception]] = []
        for step in left:
            try:
                with history.atomic():
                    step.do()
            except WRONG as error:
                errors.append((step, error))
        if len(errors) == len(left):
            found: dict[Path, str] = {}
            for step, why in errors:
                for path, said in described(why, step).items():
                    found[path] = f"{found[path]} {said}" if path in found else said
            raise ConfigInvalid(found)
        left = [step for step, _ in errors]


def _make_regions(steps: list[Step]) -> None:
    """Make the regions that are new, so that they can name each other as backups."""
    for step in steps:
        if step.section.name == "regions" and not step.removes:
            model = step.section.model._default_manager
            if not model.filter(name=step.key).exists():
                try:
                    with history.atomic():
                        row = step.section.model(name=step.key)
                        row.full_clean()
                        row.save()
                except WRONG:
                    pass  # the step itself says what is wrong


def described(error: Exception, step: Step) -> dict[Path, str]:
    """The error of a step: where → sentence."""
    path = step.path
    if isinstance(error, DjangoValidationError):
        error = ValidationError(get_error_detail(error))
    if isinstance(error, ValidationError):
        return {where: " ".join(said) for where, said in _flat(error.detail, path)}
    if isinstance(error, ProtectedError | RestrictedError):
        objects = error.protected_objects if isinstance(error, ProtectedError) else error.restricted_objects
        some = ", ".join(sorted(f"{row._meta.verbose_name} {row}" for row in objects)[:5])
        return {path: f"{step.key} cannot be removed: {some} needs it."}
    return {path: str(error) if isinstance(error, CirrusError) else "Something else has this name already."}


def _flat(detail: Any, path: Path) -> Iterator[tuple[Path, list[str]]]:
    """The leaves of DRF's errors; places of lists are keys that are numbers, or places of a list."""
    if isinstance(detail, Mapping):
        for name, each in detail.items():
            yield from _flat(each, path if name == "non_field_errors" else (*path, _part(str(name))))
    elif isinstance(detail, list) and any(isinstance(each, dict | list) for each in detail):
        for place, each in enumerate(detail):
            if each:
                yield from _flat(each, (*path, place))
    else:
        said = detail if isinstance(detail, list) else [detail]
        yield path, [str(each) for each in said]


def _part(name: str) -> str | int:
    return int(name) if NUMBER.fullmatch(name) else name


def _context(user: Any, view: Any) -> dict[str, Any]:
    """What serializers know of whoever asks."""
    return {"request": SimpleNamespace(user=user, auth=None), "view": view}


def _require_rights(plan: Plan, before: Documents, after: Documents, user: Any) -> None:
    needed = {BY_NAME[item.section].right(VERBS[item.change]) for item in plan.items}
    for item in plan.items:
        old, new = (there[item.section].get(item.key) for there in (before, after))
        for part, right in BY_NAME[item.section].rights.items():
            if new is not None and new.get(part) != (old or {}).get(part):
                needed.add(right)
    for right in sorted(needed):
        if not user.has_perm(right):
            raise PermissionDenied(f"{user.get_username()} has not the right {right}.")


def _excesses(before: Documents, after: Documents, plan: Plan, share: float) -> Iterator[Excess]:
    """Of what more would go than may."""
    for section in SECTIONS:
        if section.name not in before:
            continue
        counts = {section.name: (plan.count("removed", section.name), len(before[section.name]))}
        for part in section.counted:
            counts[f"{part} of {section.name}"] = lost(before, after, section.name, part)
        for what, (removed, there) in counts.items():
            if removed > share * there:
                yield Excess(what, removed, there, share)
