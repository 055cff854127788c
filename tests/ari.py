"""A front of HTTPS before an authority of the tests: what Pebble 2.4 cannot do, and what it never does.

    with Front(ca, folder) as front:
        front.windows[certificate.ari_id] = (start, end)      # renewal information (RFC 9773)
        front.refusals.append(Refusal(429, "rateLimited", retry_after=60))
        front.replaced                                       # `replaces` of the orders so far

Every request is passed on with its own Host, so that the authority's links lead back here.
"""

import base64
import contextlib
import json
import threading
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from tests.ca import CertificateAuthority
from tests.servers import certificate_for

RENEWAL_INFO = "/renewal-info"
NEW_ORDER = "/order-plz"


@dataclass
class Refusal:
    """An answer that is given instead of the authority's to the next request at `path`."""

    status: int
    code: str
    retry_after: int = 0
    path: str = NEW_ORDER
    detail: str = "The test says no."
    identifier: str = ""

    def body(self) -> bytes:
        problem: dict[str, Any] = {
            "type": f"urn:ietf:params:acme:error:{self.code}",
            "detail": self.detail,
            "status": self.status,
        }
        if self.identifier:
            problem["identifier"] = {"type": "dns", "value": self.identifier}
        return json.dumps(problem).encode()


@dataclass
class Front:
    """`down`: everything is answered with 503. `tells_windows`: the directory has renewalInfo.

    `beside`: a front whose own certificate this one shows too, so that one root is trusted for both.
    """

    ca: CertificateAuthority
    folder: Path
    tells_windows: bool = True
    down: bool = False
    retry_after: int = 0
    explanation: str = ""
    beside: "Front | None" = None
    windows: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __enter__(self) -> "Front":
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.beside:
            context, self.trust = self.beside.context, self.beside.trust
        else:
            context, trust_file = certificate_for("localhost", folder=self.folder)
            self.trust = trust_file.read_text()
        self.context = context
        front = self

        class Handler(_Handler):
            owner = front

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.host = f"localhost:{self.server.server_address[1]}"
        self.directory = f"https://{self.host}/dir"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def replaced(self) -> list[str]:
        """What each order said that it replaces; "" where it said nothing."""
        return [order.get("replaces", "") for order in self.orders]

    def refusal_of(self, path: str) -> Refusal | None:
        """The first refusal that waits for this path, taken."""
        for refusal in self.refusals:
            if refusal.path == path:
                self.refusals.remove(refusal)
                return refusal
        return None


class _Handler(BaseHTTPRequestHandler):
    owner: Front
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        self._handle()

    do_HEAD = do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        front, path = self.owner, self.path
        front.asked.append(path)
        if front.down:
            self._answer(503, {}, b"")
        elif path.startswith(f"{RENEWAL_INFO}/"):
            self._tell_window(path.rpartition("/")[2])
        elif refusal := front.refusal_of(path):
            self._refuse(refusal)
        else:
            if path == NEW_ORDER:
                front.orders.append(_payload(body))
            self._pass_on(body)

    def _tell_window(self, ari_id: str) -> None:
        front = self.owner
        if front.tells_windows and ari_id in front.windows:
            start, end = (moment.isoformat() for moment in front.windows[ari_id])
            said = {"suggestedWindow": {"start": start, "end": end}}
            if front.explanation:
                said["explanationURL"] = front.explanation
            wait = {"Retry-After": str(front.retry_after)} if front.retry_after else {}
            self._answer(200, {"Content-Type": "application/json", **wait}, json.dumps(said).encode())
        else:
            self._answer(404, {}, b"")

    def _refuse(self, refusal: Refusal) -> None:
        headers = {"Content-Type": "application/problem+json"}
        if refusal.retry_after:
            headers["Retry-After"] = str(refusal.retry_after)
        # A client that has used up its nonce gets another one with every answer (RFC 8555 section 6.5).
        nonce = self._ask("HEAD", "/nonce-plz", b"").headers.get("Replay-Nonce", "")
        self._answer(refusal.status, headers | {"Replay-Nonce": nonce}, refusal.body())

    def _pass_on(self, body: bytes) -> None:
        answer = self._ask(self.command, self.path, body)
        content = answer.content
        if self.path == "/dir" and self.owner.tells_windows and answer.ok:
            directory = answer.json() | {"renewalInfo": f"https://{self.owner.host}{RENEWAL_INFO}"}
            content = json.dumps(directory).encode()
        kept = ("Content-Type", "Replay-Nonce", "Location", "Retry-After")
        headers = {name: answer.headers[name] for name in kept if name in answer.headers}
        if "Link" in answer.headers:
            headers["Link"] = answer.headers["Link"]
        self._answer(answer.status_code, headers, content)

    def _ask(self, method: str, path: str, body: bytes) -> requests.Response:
        headers = {"Host": self.owner.host, "User-Agent": self.headers.get("User-Agent", "front")}
        if "Content-Type" in self.headers:
            headers["Content-Type"] = self.headers["Content-Type"]
        ca = self.owner.ca
        url = f"https://localhost:{ca.port}{path}"
        return requests.request(
            method,
            url,
            data=body,
            headers=headers,
            verify=str(ca.trust_file),
            timeout=20,
            allow_redirects=False,
        )

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(OSError):
                self.wfile.write(body)


def _payload(body: bytes) -> dict[str, Any]:
    """What a signed request says (RFC 7515: base64url without padding)."""
    text = json.loads(body)["payload"]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return decoded
