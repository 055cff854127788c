"""Many things in one call: what is wrong with one item, told beside the others or of the whole call."""

from typing import Any

from django.db import IntegrityError
from django.db.models import ProtectedError
from rest_framework.exceptions import APIException, ValidationError

from api.errors import CirrusError
from api.problems import PROBLEMS, TYPES_AT, describe

#: What may be wrong with one item without the others being wrong.
WRONG = (APIException, IntegrityError, ProtectedError, CirrusError)


def item_problem(error: Exception) -> dict[str, Any]:
    """`status` and `problem` of an item that failed, as its own address would have answered."""
    kind, said, _ = describe(error)
    problem = PROBLEMS[kind]
    body = {"type": TYPES_AT + kind, "title": problem.title, "status": problem.status, **said}
    return {"status": problem.status, "problem": body}


def at_item(place: int, error: Exception, *path: str) -> Exception:
    """The error of an item as one of the whole call: its fields are below `/items/{place}/{path}`."""
    if isinstance(error, ValidationError):
        detail: Any = error.detail
        for name in reversed(("items", str(place), *path)):
            detail = {name: detail}
        return ValidationError(detail)
    if isinstance(error, APIException):
        error.detail = f"Item {place}: {error.detail}"  # type: ignore[assignment]
    return error
