"""How many requests a token (or a person) and an address may send a minute, counted in Redis.

Two fixed windows stand for one that slides: what the last one had counts by how much of it is still in the
minute. Where Redis does not answer nothing is refused: the API works without it.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any

import redis
from django.conf import settings
from django_redis import get_redis_connection
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from api.clients import client_address
from api.credentials import caller_of

logger = logging.getLogger(__name__)

#: Seconds that a limit is about.
WINDOW = 60


@dataclass(frozen=True)
class Verdict:
    """What a limit says of one more request. `wait`: seconds until one is allowed; 0: this one is."""

    name: str
    quota: int
    remaining: int
    wait: float


def judge(*, name: str, quota: int, before: int, now: int, share: float) -> Verdict:
    """Judge one request. `before` and `now` are the counts of both windows, this request included in
    `now`; `share` is how much of this window is over (0 to 1). Pure."""
    weighted = before * (1 - share) + now
    if weighted <= quota:
        return Verdict(name, quota, int(quota - weighted), 0)
    if now <= quota and before:
        wait = (1 - (quota - now) / before - share) * WINDOW
    else:  # not in this window any more: in the next one this window is the one before
        wait = (1 - share + max(0.0, 1 - (quota - 1) / max(1, now - 1))) * WINDOW
    return Verdict(name, quota, 0, max(wait, 0.001))


def count(*, name: str, who: str, quota: int, at: float | None = None) -> Verdict:
    """Count one request of `who`; one that is refused is not counted."""
    moment = time.time() if at is None else at
    slot, share = int(moment // WINDOW), moment % WINDOW / WINDOW
    keys = [f"cirrus:throttle:{name}:{who}:{number}" for number in (slot - 1, slot)]
    try:
        client = get_redis_connection("default")
        pipeline = client.pipeline(transaction=False)
        pipeline.get(keys[0])
        pipeline.incr(keys[1])
        pipeline.expire(keys[1], 2 * WINDOW + 1)
        before, now, _ = pipeline.execute()
        verdict = judge(name=name, quota=quota, before=int(before or 0), now=now, share=share)
        if verdict.wait:
            client.decr(keys[1])
    except redis.RedisError as error:
        logger.warning("requests are not counted: %s", error)
        return Verdict(name, quota, quota, 0)
    return verdict


def check_address(request: Any) -> Verdict | None:
    """Count a request for its address, before anybody looks at its token. Raises `Throttled`."""
    return _check("address", client_address(request), settings.CIRRUS.api_address_rate)


class CallerThrottle(BaseThrottle):
    """Counts a request for its token, or for the person of its session."""

    verdict: Verdict | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        quota = settings.CIRRUS.api_token_rate
        if quota and (caller := caller_of(request)):
            self.verdict = view.verdict = count(name="token", who=caller, quota=quota)
        return not (self.verdict and self.verdict.wait)

    def wait(self) -> float | None:
        return self.verdict.wait if self.verdict else None


def _check(name: str, who: str, quota: int) -> Verdict | None:
    if not quota:
        return None
    verdict = count(name=name, who=who, quota=quota)
    if verdict.wait:
        raise Throttled(verdict.wait)
    return verdict


def rate_headers(verdict: Verdict) -> dict[str, str]:
    """RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers)."""
    rate = (
        f'"{verdict.name}";r={verdict.remaining};t={max(1, round(verdict.wait)) if verdict.wait else WINDOW}'
    )
    return {"RateLimit-Policy": f'"{verdict.name}";q={verdict.quota};w={WINDOW}', "RateLimit": rate}
