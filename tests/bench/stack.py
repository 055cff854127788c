"""The servers that a benchmark runs against, all its own, all gone afterwards."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

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


def wrk(port: int, path: str, host: str, *, seconds: int = 3, connections: int = 32, cpu: int = 1) -> float:
    """Requests per second that wrk reached from one pinned thread; it fails on any error answer."""
    command = ["taskset", "-c", str(cpu), binary("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s"]
    done = subprocess.run(
        [*command, "-H", f"Host: {host}", f"http://127.0.0.1:{port}{path}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 30,
    )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit(f"wrk met errors:\n{done.stdout}")
    line = next(line for line in done.stdout.splitlines() if line.startswith("Requests/sec"))
    return float(line.split()[1])
