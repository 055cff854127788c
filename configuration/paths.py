"""Where something stands in the document: its names and places, ("domains", 3, "origins", 0, "port")."""

import re

Path = tuple[str | int, ...]

#: Names that need no quotes.
PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def written(path: Path) -> str:
    """The same for people: `domains[3].origins[0].port`; other names are in quotes: `domains[3]["a.b"]`."""
    text = ""
    for name in path:
        if isinstance(name, int):
            text += f"[{name}]"
        elif not text:
            text = name
        else:
            text += f".{name}" if PLAIN.fullmatch(name) else f'["{name}"]'
    return text
