"""How much a request may send, and the parser that holds it: strict JSON (RFC 8259), read once.

Beside DRF's parser it refuses what no two programs read alike (a name twice in one object, numbers
without end) and what PostgreSQL cannot store (NUL characters, halves of surrogate pairs).
"""

import json
from typing import Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from api.errors import TooLarge

#: Bytes of a body; a viewset (or one action) may set `body_limit`.
DEFAULT = 1024 * 1024
BULK = 16 * 1024 * 1024


class JSONParser(BaseParser):
    """`application/json` in UTF-8. Raises `TooLarge` before it reads, and `ParseError` with the place."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        view = (parser_context or {}).get("view")
        limit = getattr(view, "body_limit", DEFAULT)
        check_length((parser_context or {}).get("request"), limit)
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise TooLarge(limit)
        return parse(raw)


def check_length(request: Any, limit: int) -> None:
    """Raise `TooLarge` where Content-Length says so, before anything is read."""
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0) if request is not None else 0
    except ValueError:
        raise ParseError("Content-Length is no number.")
    if length > limit:
        raise TooLarge(limit)


def parse(raw: bytes) -> Any:
    """The value of a JSON text. Raises `ParseError`."""
    try:
        value = json.loads(
            raw.decode(), object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
        )
    except UnicodeDecodeError:
        raise ParseError("The body is not UTF-8.")
    except json.JSONDecodeError as error:
        raise ParseError(f"The body is no JSON: {error.msg}, line {error.lineno}, column {error.colno}.")
    except RecursionError:
        raise ParseError("The body is nested too deeply.")
    except ValueError:  # a number of thousands of digits
        raise ParseError("The body has a number that is too long.")
    if b"\\u" in raw and not _is_storable(json.dumps(value, ensure_ascii=False)):
        raise ParseError("The body has a NUL character, or half of a surrogate pair.")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ParseError(f"The body names “{twice}” twice in one object.")
    return found


def _constant(name: str) -> NoReturn:
    raise ParseError(f"The body is no JSON: {name} is no number.")


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ParseError(f"The body has a number that is too large: {text[:20]}.")
    return number


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    # dumps() writes the character U+0000 as \u0000 and a backslash as \\.
    return "\\u0000" not in text.replace("\\\\", "")
