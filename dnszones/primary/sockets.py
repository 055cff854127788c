"""The sockets of the primary: UDP packets and TCP connections, within limits."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from dnszones.primary import limits
from dnszones.primary.answering import Answer, Silence, State, Transfer, answer
from dnszones.primary.counters import Counters
from dnszones.primary.peers import short_address
from dnszones.primary.transfer import plan

logger = logging.getLogger(__name__)

_source = lru_cache(maxsize=1_000)(short_address)

#: Bytes that the kernel may keep for us while we are busy with a large zone.
RECEIVE_BUFFER = 1_000_000


class Doors:
    """Listens on every address and answers; `state` is asked for anew at each query."""

    def __init__(self, state: Callable[[], State], counters: Counters) -> None:
        self.state, self.counters = state, counters
        self.connections = limits.Connections()
        self.packets = limits.Budget(limits.PACKETS)
        self._open: list[asyncio.BaseTransport | asyncio.Server] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    async def open(self, address: str, port: int) -> None:
        """Listen there, UDP and TCP. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Packets(self), local_addr=(address, port))
        self._open.append(transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        server = await asyncio.start_server(
            self._connected, address, port, limit=limits.MOST_QUERY + 2, backlog=256
        )
        self._open.append(server)

    def close(self) -> None:
        """Stop listening, and cut what is open."""
        for one in self._open:
            one.close()
        for task in self._tasks:
            task.cancel()

    def decide(self, packet: bytes, source: str, *, tcp: bool) -> Answer | Silence | Transfer:
        """`answer`, counted. An error of ours costs one answer, and never the process."""
        transport = "tcp" if tcp else "udp"
        try:
            outcome = answer(packet, source=source, tcp=tcp, state=self.state())
        except Exception:
            logger.exception("a query of %s could not be answered", source)
            self.counters.errors.labels(transport).inc()
            return Silence("error")
        if isinstance(outcome, Answer):
            self.counters.answers.labels(transport, outcome.label).inc()
        elif isinstance(outcome, Silence):
            self.counters.ignored.labels(transport, outcome.label).inc()
        return outcome

    def packet(self, packet: bytes, address: str) -> bytes | None:
        """The answer to a UDP packet."""
        source = _source(address)
        if not self.state().peers.at(source) and not self.packets.take():
            self.counters.ignored.labels("udp", "too_many").inc()
            return None
        outcome = self.decide(packet, source, tcp=False)
        return outcome.wire if isinstance(outcome, Answer) else None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._tasks.add(task)
        try:
            source = _source(writer.get_extra_info("peername")[0])
            peer = bool(self.state().peers.at(source))
            with self.connections.one(source, peer=peer) as welcome:
                self.counters.connections.set(self.connections.all)
                if welcome:
                    await self._talk(reader, writer, source, peer=peer)
                else:
                    self.counters.ignored.labels("tcp", "too_many").inc()
        except TimeoutError:
            self.counters.ignored.labels("tcp", "too_slow").inc()
        except (OSError, EOFError, TypeError):  # gone; TypeError: before it had an address
            pass
        except asyncio.CancelledError:
            pass  # we are closing
        except Exception:
            logger.exception("a connection was given up")
            self.counters.errors.labels("tcp").inc()
        finally:
            self._tasks.discard(task)
            self.counters.connections.set(self.connections.all)
            with contextlib.suppress(Exception):
                # What is not taken by now is dropped: closing gracefully would wait for a slow reader.
                if writer.transport.get_write_buffer_size():
                    writer.transport.abort()
                writer.close()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: str, *, peer: bool
    ) -> None:
        while True:
            try:
                async with asyncio.timeout(limits.IDLE):
                    length = int.from_bytes(await reader.readexactly(2), "big")
            except TimeoutError:
                return  # nothing was asked: no fault
            if not 12 <= length <= limits.MOST_QUERY:
                self.counters.ignored.labels("tcp", "malformed").inc()
                return
            async with asyncio.timeout(limits.WHOLE):
                packet = await reader.readexactly(length)
            outcome = self.decide(packet, source, tcp=True)
            if isinstance(outcome, Silence):
                return
            if isinstance(outcome, Transfer):
                async with asyncio.timeout(limits.TRANSFER):
                    await self._send_zone(outcome, writer)
                continue
            await self._send(writer, len(outcome.wire).to_bytes(2, "big") + outcome.wire)
            if outcome.label == "refused" and not peer:
                return

    async def _send_zone(self, transfer: Transfer, writer: asyncio.StreamWriter) -> None:
        planned = await asyncio.to_thread(plan, transfer)
        sent = 0
        for message in planned.messages():
            await self._send(writer, message)
            sent += len(message)
            await asyncio.sleep(0)  # others have their turn
        name = transfer.peer.name
        self.counters.transfers.labels(name, planned.label).inc()
        self.counters.transfer_bytes.labels(name).inc(sent)
        logger.info(
            "%s was sent %s %s (%s, %d bytes)",
            name,
            transfer.zone.apex,
            transfer.zone.serial,
            planned.label,
            sent,
        )

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        async with asyncio.timeout(limits.TAKEN):
            await writer.drain()


class _Packets(asyncio.DatagramProtocol):
    def __init__(self, doors: Doors) -> None:
        self.doors = doors

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        reply = self.doors.packet(data, addr[0])
        if reply is not None:
            self.transport.sendto(reply, addr)

    def error_received(self, exc: Exception) -> None:
        self.doors.counters.ignored.labels("udp", "unreachable").inc()
