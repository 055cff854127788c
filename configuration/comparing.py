"""Two configurations, compared item by item and field by field. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Is where a field is in one of both only.
ABSENT: Any = None
#: Characters of a value that one line shows.
SHOWN = 60


@dataclass(frozen=True)
class FieldChange:
    """One field. `path`: origins[0].port; `before`, `after`: None where it had, or has, its default."""

    path: str
    before: Any
    after: Any

    @property
    def line(self) -> str:
        """For people."""
        return f"{self.path}: {_short(self.before)} → {_short(self.after)}"


@dataclass(frozen=True)
class ItemChange:
    """One item that is created, changed or removed."""

    section: str
    key: str
    change: str
    fields: tuple[FieldChange, ...] = ()


@dataclass
class Plan:
    """What is different. `notes`: what to know beside it, in sentences."""

    items: list[ItemChange] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def count(self, change: str, section: str = "") -> int:
        """How many items are `created`, `changed` or `removed`."""
        return sum(item.change == change and section in ("", item.section) for item in self.items)

    @property
    def sentence(self) -> str:
        """How much it is."""
        return ", ".join(f"{self.count(word):,} {word}" for word in ("created", "changed", "removed"))


Documents = Mapping[str, Mapping[str, Mapping[str, Any]]]


def compare(before: Documents, after: Documents) -> Plan:
    """What is different from `before` to `after`: section → key → item."""
    plan = Plan()
    for section in after:
        old, new = before.get(section, {}), after[section]
        for key in new:
            if key not in old:
                plan.items.append(ItemChange(section, key, "created"))
            elif old[key] != new[key]:
                fields = tuple(_different(old[key], new[key], ""))
                plan.items.append(ItemChange(section, key, "changed", fields))
        plan.items += [ItemChange(section, key, "removed") for key in old if key not in new]
    return plan


def _different(old: Any, new: Any, path: str) -> Iterator[FieldChange]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _different(old.get(name, ABSENT), new.get(name, ABSENT), f"{path}.{name}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _of_lists(old, new, path)
    elif old != new:
        yield FieldChange(path, old, new)


def _of_lists(old: list[Any], new: list[Any], path: str) -> Iterator[FieldChange]:
    """Place by place where both are as long; else what is in one of both only."""
    if len(old) == len(new):
        for place, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _different(one, other, f"{path}[{place}]")
        return
    texts = ({_key(each) for each in old}, {_key(each) for each in new})
    for place, each in enumerate(old):
        if _key(each) not in texts[1]:
            yield FieldChange(f"{path}[{place}]", each, ABSENT)
    for place, each in enumerate(new):
        if _key(each) not in texts[0]:
            yield FieldChange(f"{path}[{place}]", ABSENT, each)


def lost(before: Documents, after: Documents, section: str, part: str) -> tuple[int, int]:
    """How many entries of a list are gone from the items of a section, and how many there were."""
    old = _entries(before, section, part)
    return len(old - _entries(after, section, part)), len(old)


def _entries(documents: Documents, section: str, part: str) -> set[tuple[str, str]]:
    return {
        (key, _key(entry)) for key, item in documents.get(section, {}).items() for entry in item.get(part, ())
    }


def _key(value: Any) -> str:
    return repr(sorted(value.items()) if isinstance(value, Mapping) else value)


def _short(value: Any) -> str:
    if value is None:
        return "default"
    if isinstance(value, Mapping):
        text = " ".join(f"{name}={each}" for name, each in value.items())
    else:
        text = str(value) or "“”"
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
