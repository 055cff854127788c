"""The matrix of rights, every cell of it: role × scope × method × address."""

import json
import re

import pytest
from django.db import transaction

from accounts.models import Token
from accounts.tokens import digest_of
from api.models import Operation
from api.scopes import SCOPES
from cirrus_site.api_urls import router
from tests.api.conftest import client_with, secret_for, user_with
from tests.api.matrix import ROLES, Row, matrix, whole_world

pytestmark = pytest.mark.django_db


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
def test_each_role_with_each_scope_may_what_its_line_says_and_nothing_else(row, keyspace):
    caller = {role: user_with(role) for role in ROLES}
    found = {}
    expected = {}
    names = whole_world(caller["superuser"])
    for role in ROLES:
        with transaction.atomic():
            secret = secret_for(caller[role], [SCOPES[0]])
            Token.objects.filter(pk=names["own"]).update(owner=caller[role])
            _own_operation(names, caller[role])
            client = client_with(secret)
            for scope in SCOPES:
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
