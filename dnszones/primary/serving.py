"""What is served now, and who is to hear of a change. The one place where it changes."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from dnszones.primary.answering import State
from dnszones.primary.counters import Counters
from dnszones.primary.peers import Peers
from dnszones.primary.zone import ServedZone
from dnszones.store import Seen

logger = logging.getLogger(__name__)


class Serving:
    """The state, replaced as a whole at each change: whoever answers a query sees one moment."""

    def __init__(self, counters: Counters) -> None:
        self.state = State()
        self.counters = counters
        #: Unix time of the last comparison with Redis, None before the first.
        self.compared_at: float | None = None
        self.redis_error = "not asked yet"
        #: What was seen of each secondary: (apex, name of the secondary).
        self.seen: dict[tuple[str, str], Seen] = {}
        self.on_change: Callable[[], None] = lambda: None
        self.on_recovery: Callable[[], None] = lambda: None
        self.on_seen: Callable[[Iterable[tuple[str, str]]], None] = lambda _: None

    def put(self, zone: ServedZone) -> None:
        """Serve this version from now on."""
        logger.info("%s: version %s, %d names", zone.apex, zone.serial, len(zone.names))
        self._change(replace(self.state, zones={**self.state.zones, zone.apex: zone}, loaded=True))

    def drop(self, apex: str) -> None:
        """Serve this zone no more."""
        if apex in self.state.zones:
            logger.info("%s: withdrawn", apex)
            left = {name: zone for name, zone in self.state.zones.items() if name != apex}
            self.seen = {key: seen for key, seen in self.seen.items() if key[0] != apex}
            self._change(replace(self.state, zones=left))

    def admit(self, peers: Peers) -> None:
        """Serve these secondaries from now on."""
        self._change(replace(self.state, peers=peers))

    def compared(self, *, complete: bool) -> None:
        """Everything was compared with Redis. `complete`: what is not here does not exist."""
        self.compared_at, self.redis_error = time.time(), ""
        self.counters.redis.set(1)
        self.counters.loaded_at.set(self.compared_at)
        self.state = replace(self.state, loaded=self.state.loaded or complete)
        self.on_recovery()
        self.on_seen(self.seen)

    def lost_redis(self, why: str) -> None:
        """Redis does not answer; what is here is served on."""
        if not self.redis_error or self.compared_at is None:
            logger.warning("Redis does not answer (%s); serving what is here", why)
        self.redis_error = why
        self.counters.redis.set(0)

    def note_seen(self, apex: str, peer: str, seen: Seen) -> None:
        """Remember and publish what a secondary was seen with."""
        before = self.seen.get((apex, peer))
        self.seen[(apex, peer)] = seen
        if before is None or (before.serial, before.error) != (seen.serial, seen.error):
            self.on_seen([(apex, peer)])

    def _change(self, state: State) -> None:
        self.state = state
        self.counters.zones.set(len(state.zones))
        self.on_change()
