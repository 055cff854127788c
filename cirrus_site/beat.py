"""The scheduler of beat: of several that run, one starts the work, and another takes over where it ends.

So beat can run on two machines. Who leads holds a lock in Redis and renews it at each tick; without Redis
nobody leads, and nothing could be queued either.
"""

import logging
from typing import Any

import redis
from django_celery_beat.schedulers import DatabaseScheduler

from edge import keyspace
from edge.errors import NotPublished
from edge.store import reaching_redis

logger = logging.getLogger(__name__)

#: Seconds after which the lead of a beat that was killed is free; it renews it every five at least.
LEASE = 15
#: Seconds between two looks of one that does not lead.
PAUSE = 2.0


class Scheduler(DatabaseScheduler):
    """As in django-celery-beat, while it leads."""

    _lock: "redis.lock.Lock | None" = None
    _leads = False

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Start what is due; seconds until the next look."""
        led, self._leads = self._leads, self._lead()
        if self._leads and not led:
            logger.info("this beat leads")
            self._read_anew()
        elif led and not self._leads:
            logger.warning("this beat leads no more")
        return float(super().tick(*args, **kwargs)) if self._leads else PAUSE

    def close(self) -> None:
        """End, and let another one lead at once."""
        super().close()
        if self._leads and self._lock:
            try:
                with reaching_redis():
                    self._lock.release()
            except NotPublished:
                pass  # it is free by itself soon

    def _lead(self) -> bool:
        try:
            with reaching_redis() as client:
                if self._leads and self._lock:
                    try:
                        return bool(self._lock.reacquire())
                    except redis.exceptions.LockError:
                        pass  # it has expired, and perhaps somebody else leads
                self._lock = client.lock(keyspace.BEAT_LOCK, timeout=LEASE, thread_local=False)
                return bool(self._lock.acquire(blocking=False))
        except NotPublished as error:
            logger.warning("nobody can lead: %s", error)
            return False

    def _read_anew(self) -> None:
        """What was started when stands in the database: who led before has written it there."""
        self._schedule, self._initial_read, self._heap = None, True, None
