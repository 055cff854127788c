"""A cast of callers: each has a role, and a token with every scope or with few."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings
from rest_framework.test import APIClient

from accounts.models import Token, User
from accounts.services import user_set_roles
from accounts.tokens import Issuer, token_create
from api.scopes import SCOPES


def user_with(role: str) -> User:
    """A person in a role; "nobody": in none; "superuser": who may do everything."""
    user, _ = User.objects.get_or_create(
        username=role,
        defaults={"is_superuser": role == "superuser", "is_staff": role == "superuser"},
    )
    if role not in ("nobody", "superuser"):
        user_set_roles(user=user, roles={role}, by=User(is_superuser=True))
    return user


def secret_for(owner: User, scopes: Any = SCOPES, **fields: Any) -> str:
    """The secret of a new token."""
    token = Token(name="test", owner=owner, scopes=list(scopes), **fields)
    return token_create(token=token, by=Issuer("the test"))


def client_with(secret: str) -> APIClient:
    """A client that shows this secret."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.fixture
def as_role(db: None) -> Callable[..., APIClient]:
    """`as_role("viewer", ["nodes:read"])`: a client with a token of a person in that role."""
    return lambda role, scopes=SCOPES, **fields: client_with(secret_for(user_with(role), scopes, **fields))


@pytest.fixture
def boss(as_role: Callable[..., APIClient]) -> APIClient:
    """A client that may do everything."""
    return as_role("superuser")


def with_settings(**values: Any) -> Any:
    """Cirrus's settings with other values."""
    return override_settings(CIRRUS=settings.CIRRUS.model_copy(update=values))


@pytest.fixture(autouse=True)
def unlimited() -> Any:
    """No limits of requests, but where a test sets them: tests send more than people."""
    with with_settings(api_token_rate=0, api_address_rate=0):
        yield
