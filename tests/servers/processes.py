"""Programs, ports and waiting: what each of the servers needs."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol

ROOT = Path(__file__).resolve().parent.parent.parent


class MissingServer(Exception):
    """A server binary is not installed: the suite fails, it never skips."""


def binary(name: str) -> str:
    """The path of a server binary (also from sbin, which a user's PATH may lack)."""
    found = shutil.which(name, path=f"{_search_path()}")
    if not found:
        raise MissingServer(f"{name} is not installed; ./dev test installs what the tests need.")
    return found


def _search_path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/sbin"


#: The last ports that `free_port` has given away.
GIVEN: deque[int] = deque(maxlen=500)


def free_port() -> int:
    """A port of the loopback that nobody listens on now, TCP and UDP.

    Below those that Linux gives to clients: else a question on its way could hold the port at the very
    moment when the server is to have it. Each worker of the tests has ports of its own, and none comes again
    soon: one that was given away may not be listened on yet.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    while True:
        # pytest-randomly seeds the others alike
        port = random.SystemRandom().randrange(10_240 + worker, 32_000, workers)
        if port in GIVEN:
            continue
        with (
            contextlib.suppress(OSError),
            socket.socket() as tcp,
            socket.socket(type=socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            GIVEN.append(port)
            return port


def eventually(check: Callable[[], Any], *, within: float = 20.0, every: float = 0.01) -> Any:
    """The first true value of `check`, asked again and again; `AssertionError` after `within` seconds.

    It is asked after `every` seconds, and less often the longer it takes: whoever asks takes the processor
    away from the server that it waits for. What `check` raises counts as “not yet”; the last such error is
    the cause of the failure.
    """
    began = time.monotonic()
    error: Exception | AssertionError | None = None
    value: Any = None
    while True:
        try:
            value = check()
            error = None
            if value:
                return value
        except (Exception, AssertionError) as caught:
            error = caught
        waited = time.monotonic() - began
        if waited > within:
            raise AssertionError(f"not within {within} s (last: {error or value!r})") from error
        time.sleep(max(every, min(waited / 10, 0.1)))


class Running(Protocol):
    """A process that was started, as `subprocess.Popen` has it."""

    pid: int

    def send_signal(self, number: int, /) -> None: ...
    def wait(self, timeout: float) -> Any: ...


def manage(words: list[str], environment: dict[str, str], log: IO[bytes]) -> Running:
    """Start `manage.py WORDS` as an operator does, with what it says in `log`."""
    command = [sys.executable, str(ROOT / "manage.py"), *words]
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log)
