"""What anybody may take of the primary: packets, connections, bytes and seconds."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Bytes of a query over TCP; ours are asked with some hundred.
MOST_QUERY = 4_096
#: Seconds until the next query must begin, a query that has begun must be whole, and a message that is
#: sent must be taken (by whoever reads it slowly).
IDLE, WHOLE, TAKEN = 10.0, 5.0, 20.0
#: Seconds that one transfer may last.
TRANSFER = 600.0
#: Connections at once: of all, of those who are no secondary, and of one address (a secondary; anybody else).
CONNECTIONS, STRANGERS, OF_A_PEER, OF_A_STRANGER = 500, 100, 200, 10
#: UDP packets of others than secondaries that are looked at in a second.
PACKETS = 1_000


class Budget:
    """So many in each second, and no more."""

    def __init__(self, each_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.each_second, self._clock = each_second, clock
        self._second, self._left = 0, 0

    def take(self) -> bool:
        """Whether there is one left."""
        now = int(self._clock())
        if now != self._second:
            self._second, self._left = now, self.each_second
        self._left -= 1
        return self._left >= 0


class Connections:
    """Who is connected."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()
        self.all = self.strangers = 0

    @contextmanager
    def one(self, source: str, *, peer: bool) -> Iterator[bool]:
        """A connection for as long as it lasts; False where there are too many already."""
        stranger = not peer
        full = (
            self.all >= CONNECTIONS
            or self._of[source] >= (OF_A_PEER if peer else OF_A_STRANGER)
            or (stranger and self.strangers >= STRANGERS)
        )
        if full:
            yield False
            return
        self._of[source] += 1
        self.all += 1
        self.strangers += stranger
        try:
            yield True
        finally:
            self._of[source] -= 1
            if not self._of[source]:
                del self._of[source]
            self.all -= 1
            self.strangers -= stranger
