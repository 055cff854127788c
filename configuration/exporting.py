"""From SQL to the document."""

from collections.abc import Collection
from typing import Any

from configuration.sections import BY_NAME, SECTIONS, Section, concise

VERSION = 1
#: Item by its key, section by section.
Items = dict[str, dict[str, dict[str, Any]]]


def config_export() -> dict[str, Any]:
    """The whole configuration. There are no secrets in it: see secrets.py."""
    items = items_read(BY_NAME)
    return {"version": VERSION, **{name: [*found.values()] for name, found in items.items()}}


def items_read(names: Collection[str]) -> Items:
    """The items of these sections as they are now, by key."""
    return {section.name: _read(section) for section in SECTIONS if section.name in names}


def _read(section: Section) -> dict[str, dict[str, Any]]:
    rows = section.rows.order_by(section.key)
    documents = section.serializer(rows.iterator(chunk_size=500), many=True).data
    return {document[section.key]: concise(section, plain(document)) for document in documents}


def plain(value: Any) -> Any:
    """The same in dicts, lists and plain values, as YAML and JSON have them."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, str) else value
