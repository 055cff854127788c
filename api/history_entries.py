"""What an entry of the history says: the notes of one transaction, brought together by page. Pure but for the
names of wholes, which are read where no note has them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION
from django.db import models

WORDS = {ADDITION: "added", CHANGE: "changed", DELETION: "deleted"}
#: Things that one entry names.
NAMED = 20

Key = tuple[type[models.Model], Any]


@dataclass(frozen=True)
class Note:
    """One save or deletion (`flag`), or an act on a row, or what came of a part of it. `text`: its name."""

    row: models.Model
    key: Key
    text: str
    flag: int
    fields: tuple[str, ...] = ()
    act: str = ""
    part: str = ""

    def as_part(self) -> str:
        """The same, told of its whole."""
        name = f"{self.row._meta.verbose_name} “{self.text}”"
        if self.act:
            return f"{name}: {self.act}"
        return f"{WORDS[self.flag]} {name}" + (f" ({', '.join(self.fields)})" if self.fields else "")


@dataclass
class Entry:
    """What one page is told of one transaction; dictionaries hold what was said once, in its order."""

    text: str
    flag: int = CHANGE
    acts: dict[str, None] = field(default_factory=dict)
    fields: dict[str, None] = field(default_factory=dict)
    parts: dict[str, None] = field(default_factory=dict)

    def add(self, note: Note) -> None:
        self.text = note.text
        self.flag = self.flag if note.flag == CHANGE else note.flag
        self.acts |= {note.act: None} if note.act else {}
        self.fields |= dict.fromkeys(note.fields)
        self.parts |= {note.part: None} if note.part else {}

    def message(self, by: str) -> str:
        """One line: what was done, and by whom."""
        what = [WORDS[self.flag]]
        if self.flag == CHANGE:
            fields = [f"changed {', '.join(self.fields)}"] if self.fields else []
            what = [*self.acts, *fields, *self.parts]
        more = [f"and {len(what) - NAMED:,} more"] if len(what) > NAMED else []
        line = "; ".join([*what[:NAMED], *more, by])
        return f"{line[:1].upper()}{line[1:]}."


Pages = Collection[type[models.Model]]
#: Part → the field of its whole.
Parts = Mapping[type[models.Model], str]


def merged(notes: Sequence[Note], *, pages: Pages, parts: Parts) -> dict[Key, Entry]:
    """The entries that the notes come to: one for each page. Parts are told on their wholes as well."""
    rows = {note.key: note.row for note in notes}
    ends = {note.key for note in notes if note.flag != CHANGE}
    for _ in parts:  # a part of a part: its whole's whole
        missing = {key for row in rows.values() if (key := _whole(row, parts)) and key not in rows}
        if not missing:
            break
        for model in {model for model, _ in missing}:
            found = model._base_manager.in_bulk([pk for of, pk in missing if of is model])
            rows |= {(model, pk): row for pk, row in found.items()}
    entries: dict[Key, Entry] = {}

    def tell(key: Key, told: Note) -> None:
        whole = _whole(rows[key], parts)
        if whole in ends:
            return  # it came or went with its whole
        if key[0] in pages or told.act:
            entries.setdefault(key, Entry(told.text)).add(told)
        if whole in rows:
            tell(whole, Note(rows[whole], whole, str(rows[whole]), CHANGE, part=told.as_part()))

    for note in notes:
        tell(note.key, note)
    return entries


def _whole(row: models.Model, parts: Parts) -> Key | None:
    """What a row is a part of."""
    name = parts.get(type(row))
    if name is None:
        return None
    column: Any = row._meta.get_field(name)
    pk = getattr(row, column.attname)
    return None if pk is None else (column.related_model, pk)
