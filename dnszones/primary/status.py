"""`/healthz` and `/metrics` of the primary: a few lines of HTTP, for the machine itself."""

import asyncio
import contextlib
import json
import time

from prometheus_client import generate_latest

from dnszones.primary.serving import Serving

#: Seconds that a request and its answer may take.
PATIENCE = 5.0
#: Bytes of a request's head.
MOST = 8_192


def health(serving: Serving) -> dict[str, object]:
    """`ok` is false until the zones have been read for the first time; without Redis it serves on."""
    compared = serving.compared_at
    return {
        "ok": compared is not None,
        "zones": len(serving.state.zones),
        "secondaries": len(serving.state.peers.all),
        "redis": serving.redis_error or "up",
        "compared_seconds_ago": None if compared is None else round(time.time() - compared, 3),
    }


class Status:
    """Answers on 127.0.0.1 and one port."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving

    async def open(self, port: int) -> asyncio.Server:
        """Listen. Raises `OSError`."""
        return await asyncio.start_server(self._connected, "127.0.0.1", port, limit=MOST)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self.answer(head.split(b" ", 2)[1] if b" " in head else b""))
                await writer.drain()
        writer.close()

    def answer(self, target: bytes) -> bytes:
        """The whole response to GET `target`."""
        path = target.partition(b"?")[0]
        if path == b"/metrics":
            return _response(
                200, "text/plain; version=0.0.4", generate_latest(self.serving.counters.registry)
            )
        if path == b"/healthz":
            found = health(self.serving)
            return _response(200 if found["ok"] else 503, "application/json", json.dumps(found).encode())
        return _response(404, "text/plain", b"/healthz and /metrics are here.\n")


def _response(status: int, kind: str, body: bytes) -> bytes:
    reason = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}[status]
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body
