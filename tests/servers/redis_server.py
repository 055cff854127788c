"""A Redis."""

import subprocess
from pathlib import Path

import redis

from tests.servers.processes import binary, eventually


class RedisServer:
    """A Redis of our own, with its data in `folder`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> "redis.Redis":
        """A new client. By address: a name is looked up under a lock of libc's, and a test may fork then."""
        return redis.Redis("127.0.0.1", self.port, decode_responses=True, socket_timeout=5)

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
