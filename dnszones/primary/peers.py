"""The secondaries as the primary knows them: by key and by address."""

import ipaddress
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

import dns.exception
import dns.name
import dns.tsig

from accounts.errors import NotOpened, SealingKeyMissing
from accounts.sealing import open_sealed
from dnszones.store import SecondaryEntry, tsig_record

logger = logging.getLogger(__name__)

#: The algorithms that may sign (RFC 8945 section 6), by the name in a secondary's entry.
ALGORITHMS = {
    "hmac-sha256": dns.tsig.HMAC_SHA256,
    "hmac-sha384": dns.tsig.HMAC_SHA384,
    "hmac-sha512": dns.tsig.HMAC_SHA512,
}


@dataclass(frozen=True)
class Peer:
    """One secondary. `zones`: apexes, None for all."""

    name: str
    address: str
    port: int
    key: dns.tsig.Key = field(repr=False)
    zones: frozenset[str] | None = None

    def may_have(self, apex: str) -> bool:
        """Whether it is given this zone."""
        return self.zones is None or apex in self.zones


class Peers:
    """All of them. Each has a key name of its own, so a signature tells who asks."""

    def __init__(self, peers: Iterable[Peer] = ()) -> None:
        self.all = tuple(peers)
        self._by_key = {peer.key.name: peer for peer in self.all}
        self._by_address: dict[str, list[Peer]] = {}
        for peer in self.all:
            self._by_address.setdefault(peer.address, []).append(peer)

    def by_key(self, name: dns.name.Name) -> Peer | None:
        """The one with the key of this name."""
        return self._by_key.get(name)

    def at(self, address: str) -> list[Peer]:
        """Those that have this address (in its shortest form)."""
        return self._by_address.get(address, [])


def short_address(text: str) -> str:
    """An address in the form that entries have: no scope, IPv4 not wrapped into IPv6."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def read_peers(entries: Iterable[SecondaryEntry]) -> Peers:
    """Open the secrets. A secondary whose entry makes no sense is left out and told in the log."""
    found = []
    for entry in entries:
        try:
            found.append(_peer(entry))
        except (NotOpened, SealingKeyMissing) as error:
            logger.error("secondary %s cannot fetch zones: %s", entry.name, error)
        except (KeyError, ValueError, dns.exception.DNSException) as error:
            logger.error("secondary %s cannot fetch zones: its entry makes no sense (%r)", entry.name, error)
    return Peers(found)


def _peer(entry: SecondaryEntry) -> Peer:
    secret = open_sealed(entry.tsig_secret, record=tsig_record(entry.tsig_name)).decode("ascii")
    key = dns.tsig.Key(entry.tsig_name, secret, ALGORITHMS[entry.tsig_algorithm])
    zones = None if entry.zones is None else frozenset(entry.zones)
    return Peer(entry.name, short_address(entry.address), entry.port, key, zones)
