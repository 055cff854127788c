"""The document in files: YAML (1.1, without tags) or, where the name ends with .json, JSON."""

import json
from pathlib import Path
from typing import Any

import yaml

from configuration.errors import ConfigInvalid


def document_written(document: Any, *, path: Path | None = None) -> str:
    """The text of a document; YAML unless the file's name says JSON."""
    if path is not None and path.suffix == ".json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def document_read(text: str, *, name: str = "document") -> Any:
    """The document in a text: JSON is YAML. Raises `ConfigInvalid` with the line."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # a safe one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else name
        raise ConfigInvalid({(where,): getattr(error, "problem", None) or str(error)}) from error


class _Loader(yaml.SafeLoader):
    """Refuses a name that stands twice, where one of both would be lost; a date stays the text it is."""


class _Dumper(yaml.SafeDumper):
    """Writes no anchors, and texts of several lines as such."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key, _ in node.value:
        if key.value in seen:
            raise yaml.constructor.ConstructorError(
                problem=f"“{key.value}” stands here twice", problem_mark=key.start_mark
            )
        seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


def _as_text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    style = "|" if "\n" in data else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)
_Dumper.add_representer(str, _text)
