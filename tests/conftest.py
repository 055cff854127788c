"""Fixtures of every test."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from tests.servers import RedisServer


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The Redis that the settings of this test process point at."""
    port = int(settings.REDIS_URL.rsplit(":", 1)[1])
    server = RedisServer(settings.VAR_DIR / "redis", port)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def keyspace(redis_server: RedisServer) -> Iterator[RedisServer]:
    """A running Redis with nothing in it."""
    if redis_server.process is None:
        redis_server.start()
    redis_server.client.flushall()
    yield redis_server
    if redis_server.process is None:  # a test that stopped it and failed
        redis_server.start()


@pytest.fixture
def admin_user(db: None) -> Any:
    """A superuser without a password: hashing one takes longer than most tests."""
    from accounts.models import User

    return User.objects.create_user("admin", is_staff=True, is_superuser=True)
