"""`?dry_run=true`: what a change would do, found out by doing it in a transaction that is rolled back.

What lies outside (documents of the edges, names of the zones) is told by whoever knows it: the apps register
a preview, and the API needs not know them.
"""

from collections.abc import Callable
from typing import Any

from rest_framework.request import Request

from api.errors import InvalidQuery

PARAMETER = "dry_run"

#: Called in the transaction after the change; what it would change outside, by name.
Told = Callable[[], dict[str, Any]]
#: Called in the transaction before the change.
Preview = Callable[[], Told]

_PREVIEWS: dict[str, Preview] = {}


def register(name: str, preview: Preview) -> None:
    """From now on a dry run asks this one too. `name` is its own: registering again replaces it."""
    _PREVIEWS[name] = preview


def begin() -> list[Told]:
    """Call before the change, in its transaction."""
    return [preview() for preview in _PREVIEWS.values()]


def told(previews: list[Told]) -> dict[str, Any]:
    """Call after the change, in its transaction: all that would change outside."""
    changes: dict[str, Any] = {}
    for preview in previews:
        changes |= preview()
    return changes


def is_wanted(request: Request) -> bool:
    """Whether a request is a dry run. Raises `InvalidQuery` where that cannot be told."""
    text = request.query_params.get(PARAMETER, "false")
    if text not in ("true", "false"):
        raise InvalidQuery({PARAMETER: "It is true or false."})
    return text == "true"
