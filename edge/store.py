"""The Redis client of the control plane: one place that connects, and that translates its errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from edge.errors import RedisRefuses, RedisUnreachable

#: Seconds that a save may lose to a Redis that is gone, and to one that hangs.
CONNECT_TIMEOUT, ANSWER_TIMEOUT = 0.5, 1.0


@lru_cache(maxsize=4)
def _client(url: str) -> "redis.Redis":
    # No retries: the outbox does the retrying, and a write that is sent twice would find its own
    # revision there and take it for somebody else's.
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=ANSWER_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )


@contextmanager
def reaching_redis() -> Iterator["redis.Redis"]:
    """A client of the keyspace with short timeouts; its errors become `RedisUnreachable`.

    Never for blocking reads.
    """
    try:
        yield _client(settings.KEYSPACE_URL)
    except (redis.ResponseError, redis.AuthenticationError) as error:
        raise RedisRefuses(str(error)) from error
    except redis.RedisError as error:
        raise RedisUnreachable(str(error)) from error
