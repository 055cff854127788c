"""Real servers for the tests. Each starts on a free port, and stops only what it started."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis


class MissingServer(Exception):
    """A server binary is not installed: the suite fails, it never skips."""


def binary(name: str) -> str:
    """The path of a server binary (also from sbin, which a user's PATH may lack)."""
    found = shutil.which(name, path=f"{_search_path()}")
    if not found:
        raise MissingServer(f"{name} is not installed; ./dev test installs what the tests need.")
    return found


def _search_path() -> str:
    import os

    return os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/sbin"


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(check: Callable[[], Any], *, within: float = 10.0, every: float = 0.01) -> Any:
    """The first true value of `check`, asked again and again; `AssertionError` after `within` seconds.

    What `check` raises counts as “not yet”; the last such error is the cause of the failure.
    """
    deadline = time.monotonic() + within
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
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s (last: {error or value!r})") from error
        time.sleep(every)


class RedisServer:
    """A Redis of our own, with its data in `folder`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> "redis.Redis":
        return redis.Redis(port=self.port, decode_responses=True, socket_timeout=5)

    def start(self) -> None:
        """Start it and wait until it answers; its data of before is loaded again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [
                binary("redis-server"),
                *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)),
                *("--appendonly", "yes", "--save", "", "--logfile", str(self.folder / "redis.log")),
            ],
            stdout=subprocess.DEVNULL,
        )
        eventually(self.client.ping)

    def stop(self) -> None:
        """Stop it as an operator would (SIGTERM), and wait until it is gone."""
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=20)
            self.process = None
