"""Real servers for the tests. Each starts on a free port, and stops only what it started."""

import contextlib
import http.server
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Protocol

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset
import redis
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = Path(__file__).resolve().parent.parent


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


class Running(Protocol):
    """A process that was started, as `subprocess.Popen` has it."""

    pid: int

    def send_signal(self, number: int, /) -> None: ...
    def wait(self, timeout: float) -> Any: ...


def manage(words: list[str], environment: dict[str, str], log: IO[bytes]) -> Running:
    """Start `manage.py WORDS` as an operator does, with what it says in `log`."""
    command = [sys.executable, str(ROOT / "manage.py"), *words]
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


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


class _ManyAtOnce(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # five, as it comes, makes a sixth connection wait for a second
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # an edge that was killed says no goodbye
            super().handle_error(request, client_address)


class Origin:
    """A web server whose answers a test sets; it counts and keeps what it is asked."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.requests: list[OriginRequest] = []
        self.answer: Callable[[OriginRequest], OriginAnswer] = lambda request: OriginAnswer(
            body=f"{request.path} from {self.port}".encode()
        )
        outer = self

        self.connections: set[socket.socket] = set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else a body waits for the ACK of its headers, up to 40 ms

            def setup(self) -> None:
                outer.connections.add(self.request)
                super().setup()

            def finish(self) -> None:
                outer.connections.discard(self.request)
                super().finish()

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                request = OriginRequest(
                    self.command, self.path, dict(self.headers.items()), self.rfile.read(length)
                )
                outer.requests.append(request)
                answer = outer.answer(request)
                if answer.wait:
                    answer.wait.wait(30)
                if answer.hang_up:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = handle_any

            def log_message(self, *_: Any) -> None:
                pass

        self.server = _ManyAtOnce(("127.0.0.1", port), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = int(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def asked(self, path: str) -> int:
        """How often this path was asked for."""
        return sum(1 for request in self.requests if request.path == path)

    def stop(self) -> None:
        """Refuse connections from now on, and cut those that are open."""
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class OriginRequest:
    """What an origin was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class OriginAnswer:
    """What an origin answers, once `wait` is set; `hang_up` closes the connection instead."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    hang_up: bool = False
    wait: threading.Event | None = None


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


def certificate_for(*names: str, folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context with a certificate for `names`, and the file that makes clients trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    cert_file, key_file = folder / "certificate.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    return context, cert_file
