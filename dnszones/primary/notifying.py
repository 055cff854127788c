"""Tells secondaries that there is a new version (NOTIFY, RFC 1996), until they are seen with it.

A secondary is asked for the marker record (`_rev` TXT), not for its SOA: one that signs the zone has
serials of its own.
"""

import asyncio
import ipaddress
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import dns.asyncquery
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.TXT import TXT

from dnszones.primary.peers import Peer
from dnszones.primary.serving import Serving
from dnszones.primary.zone import ServedZone
from dnszones.store import seen_now
from dnszones.zonedata import MARKER, is_newer

logger = logging.getLogger(__name__)

#: Seconds that a secondary has to answer one packet.
TIMEOUT = 1.0
#: After a NOTIFY, when the secondary is asked what it has by now (seconds after the question before).
LOOKS = (0.01, 0.02, 0.04, 0.1, 0.2, 0.4, 0.8)
#: Seconds until the next NOTIFY: doubled each time, from and to.
FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0
#: Exchanges at once.
AT_ONCE = 100


@dataclass
class _Pair:
    """One zone and one secondary. `has`: the version that it was seen with since the last recovery."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    has: int | None = None
    task: "asyncio.Task[None] | None" = None


class Notifier:
    """Has one task for each zone of each secondary; `bound`: addresses that we listen on."""

    def __init__(self, serving: Serving, bound: Sequence[str]) -> None:
        self.serving, self.bound = serving, bound
        self._pairs: dict[tuple[str, str], _Pair] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE)
        serving.on_change = self.update
        serving.on_recovery = self.recover

    def update(self) -> None:
        """Something has changed: begin with what is new, wake what is old, end what is gone."""
        state = self.serving.state
        wanted = {
            (apex, peer.name): zone.serial
            for apex, zone in state.zones.items()
            for peer in state.peers.all
            if peer.may_have(apex)
        }
        for key in set(self._pairs) - set(wanted):
            pair = self._pairs.pop(key)
            if pair.task:
                pair.task.cancel()
        for key, serial in wanted.items():
            pair = self._pairs.setdefault(key, _Pair())
            if pair.task is None or pair.task.done():
                pair.task = asyncio.create_task(self._keep(*key, pair))
            elif pair.has != serial:
                pair.wake.set()
        self._count()

    def recover(self) -> None:
        """We were away, or Redis was: tell everybody of every zone, because some have stopped asking."""
        for pair in self._pairs.values():
            pair.has = None
        self.update()

    def close(self) -> None:
        """End all tasks."""
        for pair in self._pairs.values():
            if pair.task:
                pair.task.cancel()

    def _count(self) -> None:
        zones = self.serving.state.zones
        behind = sum(1 for (apex, _), pair in self._pairs.items() if pair.has != zones[apex].serial)
        self.serving.counters.behind.set(behind)

    async def _keep(self, apex: str, name: str, pair: _Pair) -> None:
        pause = FIRST_PAUSE
        while True:
            state = self.serving.state
            zone = state.zones.get(apex)
            peer = next((peer for peer in state.peers.all if peer.name == name), None)
            if zone is None or peer is None:
                return
            pair.wake.clear()
            if pair.has == zone.serial:
                await pair.wake.wait()
                pause = FIRST_PAUSE
                continue
            if await self._told(zone, peer, pair):
                pair.has = zone.serial
                self._count()
                continue
            try:
                async with asyncio.timeout(pause * random.uniform(0.8, 1.2)):  # noqa: S311
                    await pair.wake.wait()
                pause = FIRST_PAUSE
            except TimeoutError:
                pause = min(2 * pause, LAST_PAUSE)

    async def _told(self, zone: ServedZone, peer: Peer, pair: _Pair) -> bool:
        """`_tell`; an error of ours costs one attempt, and never the task."""
        try:
            return await self._tell(zone, peer, pair)
        except Exception:
            logger.exception("%s could not be told of %s", peer.name, zone.apex)
            self.serving.counters.errors.labels("notify").inc()
            return False

    async def _tell(self, zone: ServedZone, peer: Peer, pair: _Pair) -> bool:
        """One NOTIFY, and looks at what becomes of it; whether the secondary has the version."""
        error = await self._notify(zone, peer)
        outcome = "failed" if error else "acknowledged"
        self.serving.counters.notifies.labels(peer.name, outcome).inc()
        has: int | None = None
        for pause in LOOKS[:1] if error else LOOKS:
            await asyncio.sleep(pause)
            has, problem = await self._look(zone, peer)
            if has is not None and (has == zone.serial or is_newer(has, zone.serial)):
                self.serving.note_seen(zone.apex, peer.name, seen_now(has))
                return True
            error = error or problem
            if pair.wake.is_set():
                break
        before = self.serving.seen.get((zone.apex, peer.name))
        serial = has if has is not None else before.serial if before else None
        self.serving.note_seen(
            zone.apex, peer.name, seen_now(serial, error or "it has not fetched the version")
        )
        return False

    async def _notify(self, zone: ServedZone, peer: Peer) -> str:
        """Send one; why it was of no use, or ""."""
        query = dns.message.make_query(zone.apex, dns.rdatatype.SOA)
        query.set_opcode(dns.opcode.NOTIFY)
        query.flags = (query.flags | dns.flags.AA) & ~dns.flags.RD
        soa = zone.version.soa
        data = f"{soa.mname} {soa.rname} {zone.serial} {soa.refresh} {soa.retry} {soa.expire} {soa.minimum}"
        query.answer.append(dns.rrset.from_text(f"{zone.apex}.", soa.ttl, "IN", "SOA", data))
        query.use_tsig(peer.key)
        response, problem = await self._exchange(query, peer)
        if response is None:
            return f"no answer to NOTIFY ({problem})"
        if response.rcode() != dns.rcode.NOERROR:
            return f"it answers {dns.rcode.to_text(response.rcode())} to NOTIFY"
        return ""

    async def _look(self, zone: ServedZone, peer: Peer) -> tuple[int | None, str]:
        """The version that the secondary answers with, or why it is not known."""
        query = dns.message.make_query(f"{MARKER}.{zone.apex}", dns.rdatatype.TXT)
        query.flags &= ~dns.flags.RD
        response, problem = await self._exchange(query, peer)
        if response is None:
            return None, f"no answer ({problem})"
        if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return None, f"it answers {dns.rcode.to_text(response.rcode())}"
        for rrset in response.answer:
            for item in rrset:
                if isinstance(item, TXT) and item.strings[0].isdigit():
                    return int(item.strings[0]), ""
        return None, "it has no marker record"

    async def _exchange(
        self, query: dns.message.Message, peer: Peer
    ) -> tuple[dns.message.Message | None, str]:
        async with self._at_once:
            try:
                return await dns.asyncquery.udp(
                    query,
                    peer.address,
                    timeout=TIMEOUT,
                    port=peer.port,
                    source=source_for(peer.address, self.bound),
                    ignore_unexpected=True,
                ), ""
            except Exception as error:  # noqa: BLE001, RUF100 - a peer may answer anything
                return None, str(error) or type(error).__name__


def source_for(target: str, bound: Sequence[str]) -> str | None:
    """The address to send from, so that secondaries know who tells them: one that we listen on.

    None where the system is to choose: we listen on all, or on none from which `target` is reached.
    """
    goal = ipaddress.ip_address(target)
    for text in bound:
        ours = ipaddress.ip_address(text)
        usable = not ours.is_unspecified and (not ours.is_loopback or goal.is_loopback)
        if usable and ours.version == goal.version:
            return text
    return None
