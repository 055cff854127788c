"""Who may do what by the API: one line for each method of each address.

`scope` is the one scope that opens it ("" where every token may), `roles` are the roles that may. A test
tries every role with every scope, and another one holds that no address of the API is missing here. Resources
of other apps add their lines in `tests/api/matrix_APP.py` (its `ROWS` and its `world()`), named in MODULES.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts.models import Token, User
from accounts.tokens import Issuer, token_create
from alarms.services import alarm_raise
from api.models import Operation
from nodes.models import NodeEvent
from tests.factories import NodeFactory, RegionFactory

NOBODY, VIEWER, OPERATOR, ADMINISTRATOR, SUPERUSER = (
    *("nobody", "viewer", "operator", "administrator", "superuser"),
)
ROLES = (NOBODY, VIEWER, OPERATOR, ADMINISTRATOR, SUPERUSER)
EVERYBODY = frozenset(ROLES)
VIEWERS = frozenset({VIEWER, OPERATOR, ADMINISTRATOR, SUPERUSER})
OPERATORS = frozenset({OPERATOR, ADMINISTRATOR, SUPERUSER})
ADMINISTRATORS = frozenset({ADMINISTRATOR, SUPERUSER})
SUPERUSERS = frozenset({SUPERUSER})

#: Modules of other apps' lines.
MODULES: tuple[str, ...] = (
    "tests.api.matrix_domains",
    "tests.api.matrix_zones",
    "tests.api.matrix_certificates",
    "tests.api.matrix_config",
)


@dataclass(frozen=True)
class Row:
    """One method of one address. `path` may have names of the world: `/api/v1/tokens/{token}`."""

    method: str
    path: str
    scope: str
    roles: frozenset[str]
    body: Any = None
    #: What whoever may do it gets.
    code: int = 200
    #: What whoever has the scope and not the role gets: 404 where they may not know of it.
    refused: int = 403
    #: Fields of the body that are names of the world.
    filled: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


NODE = {"name": "edge-9", "region": "eu-west", "ipv4": "127.0.0.9"}
PERSON = {"username": "tom"}
TOKEN = {"name": "t", "scopes": ["tokens:write"]}

ROWS: list[Row] = [
    Row("GET", "/api/v1/nodes", "nodes:read", VIEWERS),
    Row("POST", "/api/v1/nodes", "nodes:write", ADMINISTRATORS, NODE, 201),
    Row("GET", "/api/v1/nodes/edge-1", "nodes:read", VIEWERS),
    Row("PUT", "/api/v1/nodes/edge-1", "nodes:write", OPERATORS, {"region": "eu-west", "ipv4": "127.0.0.1"}),
    Row("PUT", "/api/v1/nodes/edge-9", "nodes:write", ADMINISTRATORS, NODE, 201),
    Row("PATCH", "/api/v1/nodes/edge-1", "nodes:write", OPERATORS, {"weight": 200}),
    Row("DELETE", "/api/v1/nodes/edge-1", "nodes:write", ADMINISTRATORS, code=204),
    Row("POST", "/api/v1/nodes/edge-1/up", "nodes:write", OPERATORS, {}),
    Row("POST", "/api/v1/nodes/edge-1/drain", "nodes:write", OPERATORS, {}),
    Row("POST", "/api/v1/nodes/edge-1/maintenance", "nodes:write", OPERATORS, {"force": True}),
    Row("GET", "/api/v1/nodes/edge-1/state-changes", "nodes:read", VIEWERS),
    Row("GET", "/api/v1/regions", "nodes:read", VIEWERS),
    Row("POST", "/api/v1/regions", "nodes:write", ADMINISTRATORS, {"name": "us"}, 201),
    Row("GET", "/api/v1/regions/eu-west", "nodes:read", VIEWERS),
    Row("PUT", "/api/v1/regions/eu-west", "nodes:write", ADMINISTRATORS, {"title": "Europe"}),
    Row("PATCH", "/api/v1/regions/eu-west", "nodes:write", ADMINISTRATORS, {"title": "Europe"}),
    Row("DELETE", "/api/v1/regions/empty", "nodes:write", ADMINISTRATORS, code=204),
    Row("GET", "/api/v1/state-changes", "nodes:read", VIEWERS),
    Row("GET", "/api/v1/state-changes/{event}", "nodes:read", VIEWERS),
    Row("GET", "/api/v1/alarms", "alarms:read", VIEWERS),
    Row("GET", "/api/v1/alarms/{alarm}", "alarms:read", VIEWERS),
    Row("GET", "/api/v1/tokens", "tokens:read", OPERATORS),
    Row("POST", "/api/v1/tokens", "tokens:write", OPERATORS, TOKEN, 201),
    Row("GET", "/api/v1/tokens/{own}", "tokens:read", OPERATORS),
    Row("PUT", "/api/v1/tokens/{own}", "tokens:write", OPERATORS, TOKEN),
    Row("PATCH", "/api/v1/tokens/{own}", "tokens:write", OPERATORS, {"name": "u"}),
    Row("DELETE", "/api/v1/tokens/{own}", "tokens:write", OPERATORS, code=204),
    Row("POST", "/api/v1/tokens/{own}/rotate", "tokens:write", OPERATORS, {}, 201),
    Row("POST", "/api/v1/tokens/{own}/revoke", "tokens:write", OPERATORS, {}),
    Row("GET", "/api/v1/users", "users:read", ADMINISTRATORS),
    Row("POST", "/api/v1/users", "users:write", ADMINISTRATORS, PERSON, 201),
    Row("GET", "/api/v1/users/paul", "users:read", ADMINISTRATORS),
    Row("PUT", "/api/v1/users/paul", "users:write", ADMINISTRATORS, {"username": "paul"}),
    Row("PATCH", "/api/v1/users/paul", "users:write", ADMINISTRATORS, {"roles": ["operator"]}),
    Row("DELETE", "/api/v1/users/paul", "users:write", ADMINISTRATORS, code=204),
    Row("GET", "/api/v1/roles", "users:read", ADMINISTRATORS),
    Row("POST", "/api/v1/roles", "users:write", SUPERUSERS, {"name": "purgers"}, 201),
    Row("GET", "/api/v1/roles/helpers", "users:read", ADMINISTRATORS),
    Row("PUT", "/api/v1/roles/helpers", "users:write", SUPERUSERS, {"permissions": ["nodes.view_node"]}),
    Row("PATCH", "/api/v1/roles/helpers", "users:write", SUPERUSERS, {"permissions": ["nodes.view_node"]}),
    Row("DELETE", "/api/v1/roles/helpers", "users:write", SUPERUSERS, code=204),
    Row("GET", "/api/v1/jobs", "jobs:read", VIEWERS),
    Row("GET", "/api/v1/jobs/{job}", "jobs:read", VIEWERS),
    Row("PUT", "/api/v1/jobs/{job}", "jobs:write", ADMINISTRATORS, {}),
    Row("PATCH", "/api/v1/jobs/{job}", "jobs:write", ADMINISTRATORS, {"enabled": False}),
    Row("POST", "/api/v1/jobs/{job}/run", "jobs:write", ADMINISTRATORS, code=202),
    Row("GET", "/api/v1/operations", "", EVERYBODY),
    Row("GET", "/api/v1/operations/{operation}", "", EVERYBODY),
]


def world(caller: User) -> dict[str, Any]:
    """What the lines of this module speak of."""
    RegionFactory(name="empty")
    node = NodeFactory(name="edge-1", region__name="eu-west")
    event = NodeEvent.objects.create(node=node, at=timezone.now(), new="up", by="olga")
    alarm = alarm_raise(kind="test", subject="x", sentence="It is a test.")
    User.objects.create(username="paul")
    Group.objects.create(name="helpers")
    own = Token(name="own", owner=caller, scopes=["tokens:write"])
    token_create(token=own, by=Issuer("the test"))
    operation = Operation.objects.create(kind="test", user=caller)
    return {
        "event": event.pk,
        "alarm": alarm.pk,
        "own": own.pk,
        "operation": operation.pk,
        "job": PeriodicTask.objects.order_by("pk")[0].pk,
    }


def matrix() -> list[Row]:
    """Every line."""
    return [*ROWS, *(row for module in _modules() for row in module.ROWS)]


def whole_world(caller: User) -> dict[str, Any]:
    """What all lines speak of. `caller` owns what only its owner may see."""
    names = world(caller)
    for module in _modules():
        names |= module.world(caller)
    return names


def _modules() -> Iterator[Any]:
    return (import_module(name) for name in MODULES)
