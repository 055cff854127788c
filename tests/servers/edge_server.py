"""An edge."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import requests

from tests.servers.processes import Running, eventually, free_port, manage


class EdgeServer:
    """A real edge: `manage.py run_edge` on free ports, with all it keeps in `var/edge/NODE`.

    `manage`: how the command is started (`tests.fork_server` has a faster way).
    """

    def __init__(
        self,
        node: str,
        *,
        settings: dict[str, str],
        manage: Callable[[list[str], dict[str, str], IO[bytes]], Running] = manage,
    ) -> None:
        self.node, self.settings, self.manage = node, settings, manage
        self.http_port, self.https_port, self.status_port = free_port(), free_port(), free_port()
        self.folder = Path(settings["CIRRUS_VAR_DIR"]) / "edge" / node
        self.process: Running | None = None

    @property
    def command(self) -> list[str]:
        """What stands after `manage.py` to start it."""
        ports = ["--http-port", str(self.http_port), "--https-port", str(self.https_port)]
        return ["run_edge", "--node", self.node, *ports, "--status-port", str(self.status_port)]

    def start(self, *, wait: bool = True) -> None:
        """Start it; `wait`: until it says that it has a configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "error.log").open("ab") as log:
            self.process = self.manage(self.command, self.settings, log)
        eventually(lambda: self.health()["loaded"] or not wait, within=60)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it: SIGTERM at once, SIGQUIT gracefully, SIGKILL like a crash of the machine."""
        if self.process is None:
            return
        workers = self.workers()
        self.process.send_signal(how)
        self.process.wait(timeout=40)
        self.process = None
        for pid in workers:
            if how == signal.SIGKILL:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            eventually(lambda pid=pid: not Path(f"/proc/{pid}").exists())

    def workers(self) -> list[int]:
        """The pids of the worker processes; none where it has ended by itself."""
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            return [int(pid) for pid in children.read_text().split()]
        except OSError:
            return []

    def reload(self) -> None:
        """SIGHUP: new workers with the files as they are now; waits until the old ones are gone."""
        assert self.process
        old = set(self.workers())
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: old.isdisjoint(self.workers()) and self.workers(), within=40)

    def get(self, host: str, path: str = "/", **options: Any) -> requests.Response:
        """A GET for `host` through this edge."""
        return self.request("GET", host, path, **options)

    def request(
        self, method: str, host: str, path: str = "/", headers: dict[str, str] | None = None, **options: Any
    ) -> requests.Response:
        """Any request for `host` through this edge."""
        url = f"http://127.0.0.1:{self.http_port}{path}"
        return requests.request(method, url, headers={"Host": host, **(headers or {})}, timeout=30, **options)

    def health(self) -> dict[str, Any]:
        """What /healthz says."""
        return dict(requests.get(f"http://127.0.0.1:{self.status_port}/healthz", timeout=5).json())

    def metric(self, name: str) -> float:
        """The value of one sample of /metrics, spelled with its labels; 0 where it is not there."""
        text = requests.get(f"http://127.0.0.1:{self.status_port}/metrics", timeout=5).text
        lines = [line for line in text.splitlines() if line.startswith(name + " ")]
        return float(lines[0].rsplit(" ", 1)[1]) if lines else 0.0

    def errors(self) -> str:
        """What it has written to its error log."""
        return (self.folder / "error.log").read_text()
