"""Every error as a problem (RFC 9457): `application/problem+json` that names the field and the reason.

    {"type": "/api/v1/problems/invalid", "title": "The document is not valid", "status": 400,
     "detail": "1 field is not valid.", "instance": "/api/v1/nodes",
     "errors": [{"field": "/ipv4", "reason": "Enter a valid IPv4 address."}]}

`field` is a JSON pointer into the document that was sent (RFC 6901; "" is all of it), or `?name` for a
parameter of the query. Each type is explained at its own address.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError, OperationalError
from django.db.models import ProtectedError, RestrictedError
from django.http import Http404
from django.utils.cache import patch_vary_headers
from rest_framework import exceptions
from rest_framework.fields import get_error_detail
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from api.errors import CirrusError, Invalid, KeyReused, PreconditionFailed, StillRunning, TooLarge

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
#: Below it each type has its page.
TYPES_AT = "/api/v1/problems/"
#: Seconds after which something that is unavailable now is worth another try.
RETRY_AFTER = 5
#: How many objects that are in the way are named.
NAMED = 20


@dataclass(frozen=True)
class Problem:
    """A type of problem. `title` is the same each time (RFC 9457 section 3.1.4)."""

    status: int
    title: str
    meaning: str


PROBLEMS: dict[str, Problem] = {
    "bad-request": Problem(400, "The request cannot be read", "The body is no JSON, or the request is odd."),
    "invalid": Problem(
        400,
        "The document is not valid",
        "`errors` says of each field what is wrong with it; nothing was changed.",
    ),
    "unauthenticated": Problem(
        401,
        "Who are you?",
        "Send a token: `Authorization: Bearer cirrus_…`. An unknown, an expired and a revoked token look the "
        "same, and so does one that is used from a network it is not for.",
    ),
    "forbidden": Problem(
        403,
        "You may not do this",
        "The token's scopes and domains, and the rights of its owner, must all allow it.",
    ),
    "not-found": Problem(404, "There is no such thing", "It does not exist, or this token may not see it."),
    "method-not-allowed": Problem(405, "Not with this method", "`Allow` lists the methods of this address."),
    "not-acceptable": Problem(406, "Only JSON", "This API answers in JSON; `Accept` must allow that."),
    "conflict": Problem(
        409, "It is there already", "Another one has this name, or was saved at the same time."
    ),
    "in-use": Problem(409, "Something needs it", "`errors` names what is in the way; remove that first."),
    "refused": Problem(409, "Not in this state", "It would do harm now; `detail` says what to do first."),
    "still-running": Problem(409, "Still running", StillRunning.default_detail),
    "changed-meanwhile": Problem(
        412, "It was changed meanwhile", "The ETag in `If-Match` is not the one of what is there now."
    ),
    "too-large": Problem(413, "The body is too large", "`detail` says how many bytes this address takes."),
    "unsupported-media-type": Problem(415, "Send JSON", "The body must be `application/json`."),
    "key-reused": Problem(422, "The Idempotency-Key was used before", KeyReused.default_detail),
    "throttled": Problem(429, "Too many requests", "`Retry-After` says in how many seconds to try again."),
    "server-error": Problem(500, "Our mistake", "It is in the control plane's log; nothing was changed."),
    "unavailable": Problem(503, "Not now", "Trying the same again later may help; `Retry-After` says when."),
}
#: The type of an error that DRF or we raise; what is not here goes by its status.
BY_CLASS: dict[type[Exception], str] = {
    exceptions.ValidationError: "invalid",
    StillRunning: "still-running",
    PreconditionFailed: "changed-meanwhile",
    TooLarge: "too-large",
    KeyReused: "key-reused",
}
BY_STATUS = {
    400: "bad-request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    409: "refused",
    415: "unsupported-media-type",
    429: "throttled",
    503: "unavailable",
}
#: Codes of validation that say that somebody else has the value.
TAKEN = {"unique", "unique_together"}


def problem_response(exception: Exception, context: dict[str, Any]) -> Response:
    """The answer for whatever a view raised (DRF's EXCEPTION_HANDLER)."""
    set_rollback()
    request = context.get("request")
    kind, body, headers = describe(exception)
    if kind == "server-error":
        logger.error("%s %s failed", *_line(request), exc_info=exception)
    body = {
        "type": TYPES_AT + kind,
        "title": PROBLEMS[kind].title,
        "status": PROBLEMS[kind].status,
        "instance": request.path if request is not None else "",
        **body,
    }
    response = Response(body, PROBLEMS[kind].status, headers=headers, content_type=MEDIA_TYPE)
    response["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["Authorization", "Cookie"])
    return response


def describe(exception: Exception) -> tuple[str, dict[str, Any], dict[str, str]]:
    """The type of an error, what its problem says beside the type, and its headers."""
    exception = translated(exception)
    if isinstance(exception, CirrusError):
        if getattr(exception, "forbidden", False):
            return "forbidden", {"detail": str(exception)}, {}
        if exception.permanent:
            return "refused", {"detail": str(exception)}, {}
        return "unavailable", {"detail": str(exception)}, {"Retry-After": str(RETRY_AFTER)}
    if isinstance(exception, ProtectedError | RestrictedError):
        return "in-use", _in_the_way(exception), {}
    if isinstance(exception, OperationalError):
        logger.error("the database does not answer: %s", exception)
        headers = {"Retry-After": str(RETRY_AFTER)}
        return "unavailable", {"detail": "The database does not answer; nothing was changed."}, headers
    if isinstance(exception, IntegrityError):
        return "conflict", {"detail": "It was saved by somebody else at the same time; try again."}, {}
    if isinstance(exception, exceptions.ValidationError):
        errors = list(flat(exception.detail))
        kind = "conflict" if _all_taken(exception.detail) else "invalid"
        return kind, {"detail": _summary(errors), "errors": errors}, {}
    if isinstance(exception, Invalid):
        errors = [{"field": field, "reason": reason} for field, reason in exception.errors.items()]
        return "invalid", {"detail": _summary(errors), "errors": errors}, {}
    if isinstance(exception, exceptions.APIException):
        kind = BY_CLASS.get(type(exception)) or BY_STATUS.get(exception.status_code, "server-error")
        return kind, {"detail": str(exception.detail)}, _headers(exception)
    return "server-error", {"detail": PROBLEMS["server-error"].meaning}, {}


def translated(exception: Exception) -> Exception:
    """Django's errors as DRF's."""
    if isinstance(exception, Http404):
        return exceptions.NotFound()
    if isinstance(exception, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(exception, SuspiciousOperation):
        return exceptions.ParseError("This request is refused.")
    if isinstance(exception, DjangoValidationError):
        return exceptions.ValidationError(get_error_detail(exception))
    return exception


def flat(detail: Any, pointer: str = "") -> Iterator[dict[str, str]]:
    """DRF's tree of errors as a list of fields (JSON pointers) and reasons."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            whole = name in (api_settings.NON_FIELD_ERRORS_KEY, "__all__")
            yield from flat(inner, pointer if whole else f"{pointer}/{_escaped(str(name))}")
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            # A list of sentences belongs to one field; a list of trees to the items of a list.
            yield from flat(inner, f"{pointer}/{index}" if isinstance(inner, dict | list) else pointer)
    else:
        yield {"field": pointer, "reason": str(detail)}


def pointer(path: Sequence[str | int]) -> str:
    """Names and places as a JSON pointer (RFC 6901)."""
    return "".join(f"/{_escaped(str(name))}" for name in path)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _codes(detail: Any) -> Iterator[str]:
    if isinstance(detail, dict | list | tuple):
        for inner in detail.values() if isinstance(detail, dict) else detail:
            yield from _codes(inner)
    else:
        yield getattr(detail, "code", "")


def _all_taken(detail: Any) -> bool:
    codes = set(_codes(detail))
    return bool(codes) and codes <= TAKEN


def _summary(errors: list[dict[str, str]]) -> str:
    if len(errors) == 1:
        return errors[0]["reason"]
    return f"{len(errors)} things are not valid."


def _in_the_way(error: ProtectedError | RestrictedError) -> dict[str, Any]:
    found = error.protected_objects if isinstance(error, ProtectedError) else error.restricted_objects
    named = sorted(f"{thing._meta.verbose_name} {thing}" for thing in found)
    errors = [{"field": "", "reason": f"{name} needs it."} for name in named[:NAMED]]
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return {"detail": f"It is needed by {', '.join(named[:NAMED])}{more}.", "errors": errors}


def _headers(exception: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if challenge := getattr(exception, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    wait = getattr(exception, "wait", None) or getattr(exception, "retry_after", None)
    if wait:
        headers["Retry-After"] = str(max(1, round(wait + 0.499)))
    return headers


def _line(request: Any) -> tuple[str, str]:
    return (request.method, request.path) if request is not None else ("?", "?")
