"""A POST that may be sent twice and is done once (draft-ietf-httpapi-idempotency-key-header).

A request with an `Idempotency-Key` is noted first, so that a second one sees that the first still runs (409).
What it does and the note of its answer are one transaction: a process that is killed leaves either both or
neither. Where somebody outside is asked meanwhile (`alone`) there is none: what they have done is kept at
once, whatever becomes of the answer, and no transaction waits for a network. Only what has succeeded is kept,
for a day: after a refusal nothing was done, and the same key may be sent again.
"""

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from api.credentials import caller_of
from api.errors import KeyReused, StillRunning
from api.models import IdempotentRequest

HEADER = "Idempotency-Key"
#: A key: visible ASCII characters, but quotes.
KEY = re.compile("[!#-~]{1,255}")
#: How long an answer is kept.
KEPT = timedelta(hours=24)
#: After so long without an end, whoever ran it is gone.
ABANDONED = timedelta(minutes=5)
#: Headers of an answer that are sent again with it.
REPLAYED_HEADERS = ("Location", "ETag", "Preference-Applied")

Handler = Callable[..., Response]


def once(handler: Handler, alone: bool, request: Request, *args: Any, **kwargs: Any) -> Response:
    """Answer a POST by its handler, or with the answer that its key had before; `alone`: in no transaction.

    A response may have `stored`: what is kept in place of its data, where that tells a secret.
    Raises `ParseError`, `KeyReused` and `StillRunning`.
    """
    key = key_of(request)
    mine = begin(caller_of(request), key, fingerprint(request))
    if mine.status is not None:
        return replay(mine)
    try:
        with nullcontext() if alone else transaction.atomic():
            response = handler(request, *args, **kwargs)
            if response.status_code < 400:
                _finish(mine, response)
    except BaseException:
        _forget(mine)
        raise
    if response.status_code >= 400:
        _forget(mine)
    return response


def key_of(request: Request) -> str:
    """The key of a request: 1 to 255 characters of `KEY`, in quotes or not. Raises `ParseError`."""
    key = request.headers.get(HEADER, "").strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not KEY.fullmatch(key):
        raise ParseError(f"{HEADER} is 1 to 255 visible ASCII characters, a UUID for example.")
    return key


def fingerprint(request: Request) -> str:
    """What makes two requests the same: method, address with its query, and document."""
    document = json.dumps(request.data, sort_keys=True, separators=(",", ":"))
    line = f"{request.method} {request.get_full_path()}\n{document}"
    return hashlib.sha256(line.encode()).hexdigest()


def begin(caller: str, key: str, print_: str) -> IdempotentRequest:
    """The note of this request, new, or ended with its answer. Raises `KeyReused` and `StillRunning`."""
    now = timezone.now()
    try:
        with transaction.atomic():
            return IdempotentRequest.objects.create(caller=caller, key=key, fingerprint=print_, begun_at=now)
    except IntegrityError:
        found = IdempotentRequest.objects.filter(caller=caller, key=key).first()
    if found is None:  # it ended in a refusal this moment
        raise StillRunning()
    limit = KEPT if found.status is not None else ABANDONED
    if found.begun_at < now - limit:
        return _take_over(found, print_)
    if found.fingerprint != print_:
        raise KeyReused()
    if found.status is None:
        raise StillRunning()
    return found


def replay(found: IdempotentRequest) -> Response:
    """The answer of the first request once more."""
    headers = {**found.headers, "Idempotency-Replayed": "true"}
    return Response(found.body, found.status, headers=headers)


def requests_expire() -> int:
    """Forget the answers of more than a day ago; their number."""
    forgotten, _ = IdempotentRequest.objects.filter(begun_at__lt=timezone.now() - KEPT).delete()
    return forgotten


def _take_over(found: IdempotentRequest, print_: str) -> IdempotentRequest:
    now = timezone.now()
    taken = IdempotentRequest.objects.filter(pk=found.pk, begun_at=found.begun_at).update(
        begun_at=now, fingerprint=print_, status=None, headers={}, body=None
    )
    if not taken:
        raise StillRunning()
    return IdempotentRequest.objects.get(pk=found.pk)


def _finish(mine: IdempotentRequest, response: Response) -> None:
    data = getattr(response, "stored", response.data)
    ours = IdempotentRequest.objects.filter(pk=mine.pk, begun_at=mine.begun_at).update(
        status=response.status_code,
        headers={name: response[name] for name in REPLAYED_HEADERS if name in response},
        body=json.loads(json.dumps(data, cls=JSONEncoder)),
    )
    if not ours:  # it took so long that another one has begun: that one does it
        raise StillRunning()


def _forget(mine: IdempotentRequest) -> None:
    IdempotentRequest.objects.filter(pk=mine.pk, begun_at=mine.begun_at, status=None).delete()
