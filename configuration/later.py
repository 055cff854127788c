"""A configuration that a worker applies: noted by a request, and allowed once more when it begins."""

import json
from typing import Any
from uuid import uuid4

from django.utils import timezone
from rest_framework.request import Request

from accounts.models import Token, User
from accounts.sealing import open_sealed, seal
from accounts.tokens import refusal_of
from api import history
from api.clients import client_address
from api.credentials import by_what
from api.models import Operation
from api.operations import operation_begin, running
from api.problems import pointer
from configuration.applying import config_apply
from configuration.comparing import Plan
from configuration.errors import ApplyInvalid, ConfigInvalid, MayNoMore
from configuration.secrets import as_told
from configuration.sections import SECTIONS

#: What whoever looks at a configuration needs; each change needs its own right besides.
VIEW = [section.right("view") for section in SECTIONS]
SCOPE = "config:write"


def apply_begin(*, request: Request, task: Any, asked: dict[str, Any]) -> Operation:
    """Note what `request` asks to be applied, for a worker; sealed, as a document may tell secrets."""
    key = uuid4()
    sealed = seal(json.dumps(asked).encode(), record=f"operation:{key}")
    token = request.auth.pk if isinstance(request.auth, Token) else None
    arguments = {"by": by_what(request), "token": token, "address": client_address(request._request)}
    return operation_begin(
        kind="config_apply", task=task, user=request.user, arguments=arguments, key=key, sealed=sealed
    )


def apply_run(operation_id: str) -> None:
    """Apply what was noted, as who asked for it and as far as they may now; its plan is the result."""
    with running(operation_id) as operation:
        if operation is None:
            return
        user = _who_may(operation)
        asked = json.loads(open_sealed(operation.sealed, record=f"operation:{operation.pk}"))
        try:
            with history.recording(user=user, by=operation.arguments["by"]):
                plan = config_apply(**asked, reveal=as_told, user=user)
        except ConfigInvalid as error:
            raise ApplyInvalid(
                {pointer(("document", *path)): said for path, said in error.errors.items()}
            ) from error
        operation.result = told(plan)


def told(plan: Plan) -> dict[str, Any]:
    """A plan as the API shows it."""
    items = [
        {
            "section": item.section,
            "key": item.key,
            "change": item.change,
            "fields": [
                {"path": each.path, "before": each.before, "after": each.after} for each in item.fields
            ],
        }
        for item in plan.items
    ]
    counts = {word: plan.count(word) for word in ("created", "changed", "removed")}
    return {"items": items, **counts, "notes": plan.notes}


def _who_may(operation: Operation) -> User:
    """Who asked for it. Raises `MayNoMore` where they, or their token, would be refused by now."""
    user = operation.user
    if user is None or not user.is_active or not all(user.has_perm(right) for right in VIEW):
        raise MayNoMore("Who asked for it")
    if (number := operation.arguments["token"]) is not None:
        token = Token.objects.select_related("owner").filter(pk=number, owner=user).first()
        address = operation.arguments["address"]
        if (
            token is None
            or refusal_of(token, now=timezone.now(), address=address)
            or token.hosts
            or not token.allows(SCOPE)
        ):
            raise MayNoMore("The token that asked for it")
    return user
