"""Fixtures of every test."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import TransactionTestCase

from tests.servers import RedisServer
from tests.slate import Slate


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what touches the database, so that the suite can run it once more on PostgreSQL."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.get_closest_marker("django_db") or fixtures & {"db", "transactional_db"}:
            item.add_marker("database")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[Slate]:
    """pytest-django's, and the tables are as they were after each test that commits."""
    with django_db_blocker.unblock():
        slate = Slate()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: slate.restore())
        yield slate


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
