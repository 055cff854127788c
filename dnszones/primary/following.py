"""Keeps up with Redis: waits at the stream of changes, and loads what it names.

An empty Redis is a loss and not an order. A zone goes by an entry that says so, or where Redis says
that its index is complete (`store.confirm_index`) and said so after the zone was last written.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio

from dnszones.primary.journal import Entry, chain
from dnszones.primary.peers import read_peers
from dnszones.primary.serving import Serving
from dnszones.primary.zone import ServedZone, advance, from_store
from dnszones.store import SecondaryEntry, seen_text, stored_zone
from dnszones.zonedata import is_newer
from edge import keyspace

logger = logging.getLogger(__name__)

#: Milliseconds at the stream, then a look whether the stream is still the same one.
BLOCK = 5_000
#: Seconds until Redis counts as gone; more than BLOCK.
SILENCE = 15.0
#: Seconds between two attempts to reach it: from and to.
FIRST_PAUSE, LAST_PAUSE = 0.1, 2.0
#: What says that Redis is away, or hangs.
AWAY = (redis.RedisError, OSError, TimeoutError)

FACTS = ("serial", "soa", "at", "names")


def connect(url: str) -> "redis.asyncio.Redis":
    """A client for one reader. Its answers are bytes: the journal is no text."""
    return redis.asyncio.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=SILENCE)


class Follower:
    """Reads zones and secondaries from Redis into `serving`. `journal`: versions kept of a zone."""

    def __init__(self, url: str, serving: Serving, *, journal: int) -> None:
        self.url, self.serving, self.journal = url, serving, journal

    async def run(self) -> None:
        """Follow for ever; where Redis is away, try again and again."""
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            client = connect(self.url)
            try:
                await self._follow(client)
            except AWAY as error:
                self.serving.lost_redis(str(error))
            except Exception:
                logger.exception("Redis has something that nobody of ours writes")
                self.serving.lost_redis("it has something that makes no sense; see the log")
            finally:
                await _close(client)
            pause = FIRST_PAUSE if time.monotonic() - began > 10 else min(pause * 2, LAST_PAUSE)
            await asyncio.sleep(pause)

    async def _follow(self, client: "redis.asyncio.Redis") -> None:
        last = await _newest(client)
        await self.compare(client)
        while True:
            answer: Any = await client.xread({keyspace.ZONES_CHANGES: last}, count=500, block=BLOCK)
            if answer:
                # RESP2 answers with a list of streams, RESP3 with a map of them.
                [entries] = answer.values() if isinstance(answer, dict) else [answer[0][1]]
                entries = entries[0] if entries and isinstance(entries[0], list) else entries
                await self._apply(client, [fields for _, fields in entries])
                last = entries[-1][0]
            elif (newest := await _newest(client)) != last:
                last = newest  # the stream is another one
                await self.compare(client)

    async def _apply(self, client: "redis.asyncio.Redis", entries: Iterable[Mapping[bytes, bytes]]) -> None:
        last_words: dict[str, str] = {}
        others: set[str] = set()
        for entry in entries:
            op, apex = entry[b"op"].decode(), entry[b"zone"].decode()
            if op in ("put", "gone"):
                last_words.pop(apex, None)
                last_words[apex] = op
            else:
                others.add(op)
        if "secondaries" in others:
            await self._read_secondaries(client, trust_empty=True)
        for apex, op in last_words.items():
            if op == "put":
                await self._load(client, apex)
            else:
                self.serving.drop(apex)
        if "confirmed" in others:
            await self.compare(client)

    async def compare(self, client: "redis.asyncio.Redis") -> None:
        """Take over whatever differs."""
        confirmed = await client.get(keyspace.ZONES_CONFIRMED)
        index: Any = await client.hgetall(keyspace.ZONES)
        await self._read_secondaries(client, trust_empty=confirmed is not None)
        present = {apex.decode(): int(serial) for apex, serial in index.items()}
        for apex, serial in present.items():
            zone = self.serving.state.zones.get(apex)
            if zone is None or zone.serial != serial:
                await self._load(client, apex)
        for apex, zone in list(self.serving.state.zones.items()):
            if apex not in present and confirmed is not None and float(confirmed) > zone.at:
                self.serving.drop(apex)
        self.serving.compared(complete=bool(present) or confirmed is not None)

    async def _read_secondaries(self, client: "redis.asyncio.Redis", *, trust_empty: bool) -> None:
        stored: Any = await client.hgetall(keyspace.SECONDARIES)
        if not stored and not trust_empty:
            return
        entries = []
        for text in stored.values():
            try:
                entries.append(SecondaryEntry.parse(text))
            except ValueError as error:
                logger.error("a secondary is left out: %s", error)
        self.serving.admit(read_peers(entries))

    async def _load(self, client: "redis.asyncio.Redis", apex: str) -> None:
        """Take over the newest version of one zone; what cannot be read leaves the old one in place."""
        try:
            zone = await self._next(client, apex) or await self._whole(client, apex)
            if zone:
                _ = zone.version.record  # an SOA that cannot be sent is found out here
        except AWAY:
            raise
        except Exception as error:  # whatever stands there, it costs this version only
            logger.error("%s cannot be served as it stands in Redis (%r); the old version stays", apex, error)
            self.serving.counters.refused.labels("broken").inc()
            return
        have = self.serving.state.zones.get(apex)
        if zone is None or (have and have.serial == zone.serial):
            return
        if have and not is_newer(zone.serial, have.serial):
            logger.error(
                "%s: Redis has version %s, older than %s, which stays", apex, zone.serial, have.serial
            )
            self.serving.counters.refused.labels("older").inc()
            return
        self.serving.put(zone)

    async def _next(self, client: "redis.asyncio.Redis", apex: str) -> ServedZone | None:
        """The newest version by the differences to ours; None where they do not lead there."""
        have = self.serving.state.zones.get(apex)
        if have is None:
            return None
        last = have.journal.entries[-1].entry_id if have.journal.entries else None
        async with client.pipeline(transaction=True) as pipe:
            pipe.hmget(keyspace.zone_key(apex), FACTS)
            pipe.xrange(keyspace.zone_versions_key(apex), f"({last}" if last else "-", "+")
            (serial, soa, at, count), found = await pipe.execute()
        entries = chain([Entry.parse(entry_id, fields) for entry_id, fields in found])
        while entries and entries[0].old.serial != have.serial:
            entries = entries[1:]
        if serial is None or not entries or entries[-1].new.serial != int(serial):
            return None
        try:
            with without_collecting():
                zone = await asyncio.to_thread(advance, have, entries, at=float(at), most=self.journal)
        except Exception as error:
            logger.warning("%s is read whole: its differences do not lead to it (%s)", apex, error)
            return None
        return zone if len(zone.names) == int(count) else None

    async def _whole(self, client: "redis.asyncio.Redis", apex: str) -> ServedZone | None:
        async with client.pipeline(transaction=True) as pipe:
            pipe.hmget(keyspace.zone_key(apex), FACTS[:3])
            pipe.hgetall(keyspace.zone_names_key(apex))
            pipe.xrange(keyspace.zone_versions_key(apex))
            facts, names, found = await pipe.execute()
        with without_collecting():
            return await asyncio.to_thread(_build, apex, facts, names, found)


@contextmanager
def without_collecting() -> Iterator[None]:
    """Look for no garbage while a large zone is made: there is none, and looking takes half of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _build(apex: str, facts: list[Any], names: Mapping[bytes, bytes], found: list[Any]) -> ServedZone | None:
    stored = stored_zone(facts, names)
    if stored is None:
        return None
    return from_store(apex, stored, [Entry.parse(entry_id, fields) for entry_id, fields in found])


class SeenWriter:
    """Writes to Redis what was seen of secondaries; while Redis is away, it waits."""

    def __init__(self, url: str, serving: Serving) -> None:
        self.url, self.serving = url, serving
        self._waiting: set[tuple[str, str]] = set()
        self._any = asyncio.Event()
        serving.on_seen = self.ask

    def ask(self, keys: Iterable[tuple[str, str]]) -> None:
        """Have these written."""
        self._waiting.update(keys)
        self._any.set()

    async def run(self) -> None:
        client = connect(self.url)
        while True:
            await self._any.wait()
            self._any.clear()
            keys, self._waiting = self._waiting, set()
            try:
                async with client.pipeline(transaction=False) as pipe:
                    for apex, name in keys:
                        seen = self.serving.seen.get((apex, name))
                        if seen and apex in self.serving.state.zones:
                            pipe.hset(keyspace.zone_seen_key(apex), name, seen_text(seen))
                    await pipe.execute()
            except AWAY as error:
                logger.debug("what was seen of secondaries is not written yet: %s", error)
                self.ask(keys)
                await asyncio.sleep(1)


async def _newest(client: "redis.asyncio.Redis") -> bytes:
    newest: Any = await client.xrevrange(keyspace.ZONES_CHANGES, count=1)
    return newest[0][0] if newest else b"0-0"


async def _close(client: "redis.asyncio.Redis") -> None:
    try:
        await client.aclose()
    except (redis.RedisError, OSError):
        pass
