"""`?dry_run=true`: what a change would do, found out by doing it in a transaction that is rolled back.

What lies outside (documents of the edges, names of the zones) is told by whoever knows it: the apps register
a preview, and the API needs not know them.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import transaction
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from api import history
from api.errors import InvalidQuery

Done = TypeVar("Done")

PARAMETER = "dry_run"

#: Called once the change is rolled back, when what was there before can be seen again; what would change
#: outside, by name.
Compared = Callable[[], dict[str, Any]]
#: Called in the transaction after the change.
Told = Callable[[], Compared]
#: Called in the transaction before the change.
Preview = Callable[[], Told]

_PREVIEWS: dict[str, Preview] = {}


def register(name: str, preview: Preview) -> None:
    """From now on a dry run asks this one too. `name` is its own: registering again replaces it."""
    _PREVIEWS[name] = preview


def answered(request: Request, change: Callable[[], Done], answer: Callable[[Done], Response]) -> Response:
    """Do a change in one transaction with its history, and answer what it returns.

    Of a dry run: it is rolled back, and the response has that answer's status and body, and what would
    change outside.
    """
    rehearsal = is_wanted(request)
    with history.atomic():
        previews = [preview() for preview in _PREVIEWS.values()] if rehearsal else []
        done = change()
        if rehearsal:
            rehearsed, compared = answer(done), [told() for told in previews]
            transaction.set_rollback(True)
    return _rehearsed(rehearsed, compared) if rehearsal else answer(done)


def _rehearsed(answer: Response, compared: list[Compared]) -> Response:
    """What a dry run is answered with."""
    changes: dict[str, Any] = {}
    for tell in compared:
        changes |= tell()
    gone = answer.status_code == status.HTTP_204_NO_CONTENT
    return Response(
        {
            "dry_run": True,
            "status": answer.status_code,
            "result": None if gone else answer.data,
            "changes": changes,
        }
    )


def is_wanted(request: Request) -> bool:
    """Whether a request is a dry run. Raises `InvalidQuery` where that cannot be told."""
    text = request.query_params.get(PARAMETER, "false")
    if text not in ("true", "false"):
        raise InvalidQuery({PARAMETER: "It is true or false."})
    return text == "true"
