"""Work that takes longer than a request: begun with 202, watched at /api/v1/operations/{id}.

operation = operation_begin(kind="config_apply", task=apply_config, user=request.user, arguments={…})
return accepted(operation)                                  # in the view: 202 with Location

@shared_task
def apply_config(operation_id: str) -> None:                # in the app's tasks.py
    with running(operation_id) as operation:
        if operation:                                       # None: another worker has it already
            operation.result = {…}
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from api.models import Operation
from api.problems import describe

logger = logging.getLogger(__name__)

#: Where operations are found.
ADDRESS = "/api/v1/operations/"
#: The preference of who does not wait (RFC 7240 section 4.1).
ASYNC = "respond-async"
#: How long one is kept after its end.
KEPT = timedelta(days=7)
#: A worker that has said nothing for so long is gone (Celery ends every task before).
ABANDONED = timedelta(minutes=15)
#: How long one may wait for a worker: what is in the queue no more never begins.
WAITS = timedelta(hours=1)


def operation_begin(
    *,
    kind: str,
    task: Any,
    user: Any,
    arguments: dict[str, Any] | None = None,
    key: UUID | None = None,
    sealed: str = "",
) -> Operation:
    """Note an operation, and hand it to a worker when this transaction is committed.

    `sealed`: what is told to nobody, sealed for the record `operation:{key}`.
    """
    operation = Operation.objects.create(
        pk=key or uuid4(),
        kind=kind,
        user=user if user.pk else None,
        arguments=arguments or {},
        sealed=sealed,
    )
    transaction.on_commit(lambda: _queue(operation, task))
    return operation


def accepted(operation: Operation) -> Response:
    """The answer of the request that began it."""
    body = {"id": str(operation.pk), "kind": operation.kind, "state": operation.state}
    headers = {"Location": f"{ADDRESS}{operation.pk}", "Retry-After": "1", "Preference-Applied": ASYNC}
    return Response(body, status.HTTP_202_ACCEPTED, headers=headers)


def is_wanted(request: Request) -> bool:
    """Whether who asks prefers to be answered before the work is done (RFC 7240: `Prefer: respond-async`)."""
    preferences = request.headers.get("Prefer", "").lower().split(",")
    return ASYNC in {each.partition(";")[0].strip() for each in preferences}


@contextmanager
def running(operation_id: str) -> Iterator[Operation | None]:
    """Do the work inside. None where another worker does it: a task may come twice.

    What is raised inside ends it as failed: what a request would be told with its sentence, another one with
    a word about the log, where it is whole.
    """
    now = timezone.now()
    mine = Operation.objects.filter(pk=operation_id, state=Operation.State.PENDING).update(
        state=Operation.State.RUNNING, started_at=now
    )
    if not mine:
        yield None
        return
    operation = Operation.objects.get(pk=operation_id)
    try:
        yield operation
    except Exception as error:
        kind, said, _ = describe(error)
        if kind == "server-error":
            _end(operation, error="It failed for a reason of ours; the log of the worker says which.")
            raise
        _end(operation, error=said["detail"])
    else:
        _end(operation)


def operations_tend() -> int:
    """End what a lost worker has left, forget what ended long ago; the number of forgotten ones."""
    now = timezone.now()
    ended = {"state": Operation.State.FAILED, "ended_at": now, "sealed": ""}
    Operation.objects.filter(state=Operation.State.RUNNING, started_at__lt=now - ABANDONED).update(
        **ended, error="Its worker was lost; what it did may be half."
    )
    Operation.objects.filter(state=Operation.State.PENDING, created_at__lt=now - WAITS).update(
        **ended, error="No worker has begun it in an hour; nothing was done. Try again."
    )
    forgotten, _ = Operation.objects.filter(ended_at__lt=now - KEPT).delete()
    return forgotten


def _end(operation: Operation, *, error: str = "") -> None:
    operation.state = Operation.State.FAILED if error else Operation.State.SUCCEEDED
    operation.error, operation.ended_at, operation.sealed = error, timezone.now(), ""
    operation.save(update_fields=["state", "error", "result", "ended_at", "sealed"])


def _queue(operation: Operation, task: Any) -> None:
    try:
        task.delay(str(operation.pk))
    except OperationalError as error:
        logger.error("operation %s could not be queued: %s", operation, error)
        _end(operation, error="The queue could not be reached; nothing was done. Try again.")
