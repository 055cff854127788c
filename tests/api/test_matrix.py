"""The matrix of rights, every cell of it: role × scope × method × address."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Token, User
from accounts.tokens import digest_of
from api.models import Operation
from api.scopes import SCOPES
from cirrus_site.api_urls import router
from tests.api.conftest import client_with, secret_for, user_with
from tests.api.matrix import ROLES, Row, matrix, whole_world
from tests.servers import RedisServer
from tests.slate import Slate

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def cast(
    django_db_setup: Slate, django_db_blocker: Any, redis_server: RedisServer
) -> Iterator[tuple[dict[str, User], dict[str, Any]]]:
    """The callers by their role, and the names of the world; made once, as no request changes them for long.

    Nothing of it is published, as if its transaction were still going on.
    """
    with django_db_blocker.unblock():
        with transaction.atomic():
            caller = {role: user_with(role) for role in ROLES}
            names = whole_world(caller["superuser"])
            connection.run_on_commit.clear()
        yield caller, names
        django_db_setup.restore()


def scopes_to_try(row: Row) -> list[str]:
    """Every scope on SQLite. Those that are closed are so before anything else is asked of the database, so
    that on PostgreSQL the one that opens and one that does not are enough."""
    if connection.vendor == "sqlite":
        return list(SCOPES)
    closed = next(scope for scope in SCOPES if scope != row.scope)
    return [closed, *([row.scope] if row.scope else [])]


def call(client, row: Row, names) -> int:
    """The status of this request, whose effects are undone."""
    path = row.path.format(**names)
    body = row.body
    if row.filled:
        body = {**(body or {}), **{name: names[value] for name, value in row.filled.items()}}
    with transaction.atomic():
        response = (
            client.generic(row.method, path)
            if body is None
            else client.generic(row.method, path, data=json.dumps(body), content_type="application/json")
        )
        transaction.set_rollback(True)
    return response.status_code


@pytest.mark.parametrize("row", matrix(), ids=str)
def test_each_role_with_each_scope_may_what_its_line_says_and_nothing_else(row, keyspace, cast):
    caller, names = cast
    found = {}
    expected = {}
    for role in ROLES:
        with transaction.atomic():
            secret = secret_for(caller[role], [SCOPES[0]])
            Token.objects.filter(pk=names["own"]).update(owner=caller[role])
            _own_operation(names, caller[role])
            client = client_with(secret)
            for scope in scopes_to_try(row):
                Token.objects.filter(digest=digest_of(secret)).update(scopes=[scope])
                opened = not row.scope or scope == row.scope
                expected[role, scope] = (row.code if role in row.roles else row.refused) if opened else 403
                found[role, scope] = call(client, row, names)
            transaction.set_rollback(True)
    assert found == expected


def _own_operation(names, user) -> None:
    Operation.objects.filter(pk=names["operation"]).update(user=user)


@pytest.mark.parametrize("row", matrix(), ids=str)
def test_without_a_token_everything_is_closed(row, client):
    names = dict.fromkeys(re.findall(r"{(\w+)}", row.path), "00000000-0000-0000-0000-000000000000")
    names |= {name: "1" for name in names if name != "operation"}
    assert client.generic(row.method, row.path.format(**names)).status_code == 401


def test_every_method_of_every_address_has_its_line():
    lines = {(row.method, re.sub(r"{\w+}", "1", row.path)) for row in matrix()}
    missing = []
    for pattern in router.urls:
        for method in pattern.callback.actions:
            if method == "head":
                continue
            address = re.compile("/api/v1/" + str(pattern.pattern).removeprefix("^"))
            if not any(line[0] == method.upper() and address.match(line[1]) for line in lines):
                missing.append(f"{method.upper()} {pattern.pattern}")
    assert missing == []
