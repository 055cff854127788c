"""A web server that an edge asks."""

import contextlib
import http.server
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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
