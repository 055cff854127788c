"""The process: all of it together in one event loop."""

import asyncio
import logging
import signal
from collections.abc import Sequence

from dnszones.primary.counters import Counters
from dnszones.primary.following import Follower, SeenWriter
from dnszones.primary.notifying import Notifier
from dnszones.primary.serving import Serving
from dnszones.primary.sockets import Doors
from dnszones.primary.status import Status

logger = logging.getLogger(__name__)


async def serve(*, url: str, bind: Sequence[tuple[str, int]], metrics_port: int, journal: int) -> None:
    """Serve until SIGTERM or SIGINT. `metrics_port` 0: no status. Raises `OSError` where a port is taken."""
    serving = Serving(Counters())
    doors = Doors(lambda: serving.state, serving.counters)
    notifier = Notifier(serving, [address for address, _ in bind])
    follower, writer = Follower(url, serving, journal=journal), SeenWriter(url, serving)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    status = None
    try:
        for address, port in bind:
            await doors.open(address, port)
        if metrics_port:
            status = await Status(serving).open(metrics_port)
        tasks = [asyncio.create_task(follower.run()), asyncio.create_task(writer.run())]
        logger.info("hidden primary on %s", ", ".join(f"[{address}]:{port}" for address, port in bind))
        waiting = asyncio.create_task(ended.wait())
        done, _ = await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, waiting):
            task.cancel()
        for task in done:
            task.result()  # one that ended by an error of ours ends the process with it
    finally:
        notifier.close()
        doors.close()
        if status:
            status.close()
