"""Name servers: one of our own making, the hidden primary, and NSD."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset
import requests

from tests.servers.processes import ROOT, binary, eventually, free_port


class NameServer:
    """A name server (UDP) that answers from `records`: name → addresses; TTL 1 s, else NXDOMAIN."""

    def __init__(self) -> None:
        self.records: dict[str, list[str]] = {}
        self.questions: list[str] = []
        self.failing = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                packet, client = self.socket.recvfrom(4096)
            except OSError:
                return
            query = dns.message.from_wire(packet)
            response = dns.message.make_response(query)
            question = query.question[0]
            name = question.name.to_text().rstrip(".").lower()
            self.questions.append(name)
            kind = "AAAA" if question.rdtype == 28 else "A"
            found = [
                address for address in self.records.get(name, []) if (":" in address) == (kind == "AAAA")
            ]
            if self.failing:
                response.set_rcode(dns.rcode.SERVFAIL)
            elif name not in self.records:
                response.set_rcode(dns.rcode.NXDOMAIN)
            elif found:
                response.answer.append(dns.rrset.from_text(question.name, 1, "IN", kind, *found))
            self.socket.sendto(response.to_wire(), client)

    def stop(self) -> None:
        """Answer nothing from now on."""
        self.socket.close()


class PrimaryServer:
    """A real hidden primary: `manage.py run_hidden_primary`, UDP and TCP on 127.0.0.1 and ::1."""

    def __init__(self, folder: Path, *, settings: dict[str, str]) -> None:
        self.folder, self.settings = folder, settings
        self.port, self.metrics_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        """Start it; `wait`: until it has read its zones."""
        self.folder.mkdir(parents=True, exist_ok=True)
        bind = [f"127.0.0.1:{self.port}", f"[::1]:{self.port}"]
        with (self.folder / "primary.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "run_hidden_primary", "--bind", *bind],
                env={**self.settings, "CIRRUS_DNS_METRICS_PORT": str(self.metrics_port)},
                stdout=log,
                stderr=log,
            )
        eventually(lambda: self.health()["ok"] or not wait, within=60)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it: SIGTERM as an operator, SIGKILL like a crash."""
        if self.process:
            self.process.send_signal(how)
            self.process.wait(timeout=20)
            self.process = None

    def health(self) -> dict[str, Any]:
        """What /healthz says."""
        return dict(requests.get(f"http://127.0.0.1:{self.metrics_port}/healthz", timeout=5).json())

    def metric(self, name: str) -> float:
        """The sum of all samples of /metrics whose name with labels begins so."""
        text = requests.get(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5).text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    def log(self) -> str:
        """What it has written."""
        return (self.folder / "primary.log").read_text()


def _members(group: int) -> list[int]:
    """The pids of a process group that are still running."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, its = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its) == group and state != "Z":
                found.append(int(stat.parent.name))
    return found


class NsdServer:
    """A real NSD with the configuration that `manage.py nsd_config` wrote into `folder`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it can be controlled."""
        with (self.folder / "nsd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [binary("nsd"), "-d", "-c", str(self.folder / "nsd.conf")],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(lambda: self.control("status").returncode == 0)

    def control(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """`nsd-control WORDS`."""
        return subprocess.run(
            [binary("nsd-control"), "-c", str(self.folder / "nsd.conf"), *words],
            capture_output=True,
            text=True,
            timeout=30,
        )

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it and all its children: SIGTERM, or SIGKILL like a crash of the machine."""
        if self.process:
            if how == signal.SIGKILL:
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.send_signal(how)
            group, self.process = self.process, None
            group.wait(timeout=20)
            # Its children hold the port for a moment longer.
            eventually(lambda: not _members(group.pid))

    def ask(self, name: str, kind: str = "A", *, timeout: float = 2.0) -> list[str]:
        """The data of its authoritative answer, sorted; empty where there is none such."""
        query = dns.message.make_query(name, kind)
        response = dns.query.udp(query, "127.0.0.1", port=self.port, timeout=timeout)
        if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise AssertionError(f"NSD says {dns.rcode.to_text(response.rcode())}")
        return sorted(item.to_text() for rrset in response.answer for item in rrset)

    def log(self) -> str:
        """What it has written."""
        return (self.folder / "nsd.log").read_text()
