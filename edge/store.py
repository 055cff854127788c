"""The Redis client of the control plane: one place that connects, and that translates its errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from edge.errors import RedisUnreachable


@lru_cache(maxsize=4)
def _client(url: str) -> "redis.Redis":
    # A save waits for this client: it fails fast, and the outbox does the retrying.
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=0.5,
        socket_timeout=5,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=30,
    )


def keyspace_client() -> "redis.Redis":
    """A client of the keyspace's database, with short timeouts: never for blocking reads."""
    return _client(settings.KEYSPACE_URL)


@contextmanager
def reaching_redis() -> Iterator["redis.Redis"]:
    """The client, with its connection errors turned into `RedisUnreachable`."""
    try:
        yield keyspace_client()
    except (redis.ConnectionError, redis.TimeoutError, redis.exceptions.ReadOnlyError) as error:
        raise RedisUnreachable(str(error).rstrip(".")) from error
    except redis.AuthenticationError as error:
        raise RedisUnreachable(f"it refuses our password: {error}") from error
