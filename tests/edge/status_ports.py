"""Status ports of all kinds for the tests of probing: healthy edges, and whatever else may stand there."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def healthz(node: str, **more: Any) -> bytes:
    """The JSON of a healthy edge."""
    return json.dumps({"status": "ok", "node": node, "rev": 7, "contact_age": 0.2, **more}).encode()


def answer(body: bytes, *, status: int = 200, headers: str = "") -> Behaviour:
    """Reads a request and answers it."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} Any\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    return behave


def raw(data: bytes) -> Behaviour:
    """Says this, whatever it is asked, and hangs up."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)

    return behave


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accepts a connection and never says anything."""
    await asyncio.sleep(60)


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends one byte after the other, so that no single wait is long."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never stops sending."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 65_536)
        await writer.drain()


class StatusPorts:
    """Servers on the loopback, each with its behaviour, in one thread; counts its connections."""

    def __init__(self) -> None:
        self.connections = 0
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.servers: list[asyncio.Server] = []

    def open(self, behave: Behaviour, *, host: str = "127.0.0.1") -> int:
        """The port of a new server."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            try:
                await behave(reader, writer)
                await writer.drain()
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        async def start() -> asyncio.Server:
            return await asyncio.start_server(serve, host, 0, backlog=1024)

        server = asyncio.run_coroutine_threadsafe(start(), self.loop).result(10)
        self.servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Close all of them, and cut what is open."""

        async def close() -> None:
            for server in self.servers:
                server.close()
            mine = asyncio.current_task()
            for task in asyncio.all_tasks():
                if task is not mine:
                    task.cancel()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(close(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
