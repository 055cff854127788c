"""The servers that a benchmark runs against, all its own, all gone afterwards."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from django.conf import settings
from django.core.management import call_command

from tests.servers import ROOT, EdgeServer, RedisServer, binary, free_port


class Stack:
    """A migrated database, Redis, and what a benchmark starts with it."""

    def __init__(self, exits: ExitStack) -> None:
        self.exits = exits
        self.folder = Path(settings.VAR_DIR)
        self.redis = RedisServer(self.folder / "redis", int(settings.REDIS_URL.rsplit(":", 1)[1]))

    def environment(self) -> dict[str, str]:
        """The environment of Cirrus's own processes."""
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "cirrus_site.settings",
            "CIRRUS_VAR_DIR": str(self.folder),
            "REDIS_URL": settings.REDIS_URL,
        }

    def edge(self, node: str, **more: str) -> EdgeServer:
        """A running edge with a node of its own."""
        from tests.factories import NodeFactory

        NodeFactory(name=node)
        server = EdgeServer(node, settings={**self.environment(), **more})
        self.exits.callback(server.stop)
        server.start()
        return server

    def manage(self, *command: str) -> None:
        """A command of manage.py, to its end."""
        subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *command], env=self.environment(), check=True
        )

    def process(self, *command: str, cpu: int | None = None) -> "subprocess.Popen[bytes]":
        """A process that ends with the benchmark."""
        pinned = ["taskset", "-c", str(cpu)] if cpu is not None else []
        log = (self.folder / "bench.log").open("ab")
        process = subprocess.Popen([*pinned, *command], env=self.environment(), stdout=log, stderr=log)

        def end() -> None:
            process.terminate()
            process.wait(timeout=30)

        self.exits.callback(end)
        return process

    def nginx(self, name: str, conf: str) -> int:
        """A plain nginx with this http block, in which {port} and {dir} are filled in; returns its port."""
        folder, port = self.folder / name, free_port()
        folder.mkdir(parents=True)
        text = "user root;\n" if os.getuid() == 0 else ""
        text += f"worker_processes 1;\npid {folder}/pid;\nevents {{ worker_connections 4096; }}\nhttp {{\n"
        text += conf.replace("{port}", str(port)).replace("{dir}", str(folder)) + "\n}\n"
        (folder / "nginx.conf").write_text(text)
        self.process(binary("nginx"), "-p", str(folder), "-c", f"{folder}/nginx.conf", "-g", "daemon off;")
        return port


@contextmanager
def stack() -> Iterator[Stack]:
    """A stack with Redis and an empty database."""
    with ExitStack() as exits:
        running = Stack(exits)
        running.redis.start()
        exits.callback(running.redis.stop)
        call_command("migrate", verbosity=0)
        yield running


def pin(server: EdgeServer, cpu: int) -> None:
    """Keep an edge's workers on one processor."""
    for pid in server.workers():
        os.sched_setaffinity(pid, {cpu})


@dataclass(frozen=True)
class Load:
    """What a run of wrk came to: requests, requests per second, and the median latency in seconds."""

    requests: int
    rate: float
    p50: float


#: A new URL for each request: the path is a prefix, and a number follows.
UNIQUE = """
local count = 0
request = function()
  count = count + 1
  return wrk.format(nil, wrk.path .. count)
end
"""

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def wrk(
    port: int,
    path: str,
    host: str,
    *,
    seconds: int = 3,
    connections: int = 32,
    cpu: int = 1,
    unique: bool = False,
) -> Load:
    """Load one server from one pinned thread; it fails on any error answer."""
    command = [
        "taskset",
        "-c",
        str(cpu),
        binary("wrk"),
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--latency",
    ]
    with NamedTemporaryFile("w", suffix=".lua") as script:
        if unique:
            script.write(UNIQUE)
            script.flush()
            command += ["-s", script.name]
        done = subprocess.run(
            [*command, "-H", f"Host: {host}", f"http://127.0.0.1:{port}{path}"],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 30,
        )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit(f"wrk met errors:\n{done.stdout}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    total = re.search(r"(\d+) requests in", done.stdout)
    median = re.search(r"50%\s+([\d.]+)(us|ms|s)", done.stdout)
    if not (rate and total and median):
        raise SystemExit(f"wrk said something else:\n{done.stdout}")
    return Load(int(total[1]), float(rate[1]), float(median[1]) * SECONDS[median[2]])
