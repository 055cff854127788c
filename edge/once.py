"""Work that is done once after a transaction, however many changes of it ask for it."""

import threading
from collections.abc import Callable

from django.db import transaction


class OncePerCommit:
    """Runs `work` once after each transaction in which `ask` was called."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self._waiting = threading.local()

    def ask(self) -> None:
        """Have the work done once this commits; at once outside of a transaction."""
        # Registered at every call: a callback registered inside a savepoint is dropped with it. One that
        # a rollback kept from running serves the next transaction of this thread as well.
        call: _Call | None = getattr(self._waiting, "call", None)
        if call is None or call.done:
            call = self._waiting.call = _Call(self.work)
        transaction.on_commit(call.run, robust=True)


class _Call:
    def __init__(self, work: Callable[[], None]) -> None:
        self.work, self.done = work, False

    def run(self) -> None:
        if not self.done:
            self.done = True
            self.work()
