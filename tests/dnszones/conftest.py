"""A small CDN with its DNS: a zone that gives the access names, two edges, one secondary that is played."""

import pytest

from dnszones.models import Site, Zone
from dnszones.publishing import zones_rebuild
from dnszones.store import read_zone
from dnszones.watching import secondaries_watch
from dnszones.zonedata import decode_rrsets
from tests.dnszones.factories import SecondaryFactory, ZoneFactory
from tests.dnszones.played import PlayedSecondary
from tests.edge.keyspace_reader import acknowledge
from tests.factories import NodeFactory

EDGES = ("edge-1", "edge-2")


class World:
    """What the tests do to it, and what they ask."""

    def __init__(self, redis, played) -> None:
        self.redis, self.played = redis, played
        self.zone = ZoneFactory(apex="cdn.example", serves_sites=True)
        self.secondary = SecondaryFactory(name="ns-a", port=played.port)
        NodeFactory(name="edge-1", ipv4="192.0.2.1")
        NodeFactory(name="edge-2", ipv4="192.0.2.2")

    def edges_catch_up(self, *names):
        """These edges (all of them) acknowledge what has been published."""
        for name in names or EDGES:
            acknowledge(self.redis, name)

    def build(self):
        return zones_rebuild()

    def secondary_follows(self):
        """The secondary serves what the primary has, and is asked."""
        self.played.serials = {
            zone.apex: stored.serial
            for zone in Zone.objects.all()
            if (stored := read_zone(self.redis.client, zone.apex))
        }
        return secondaries_watch()

    def settle(self):
        """Everybody catches up with everything."""
        self.edges_catch_up()
        self.build()
        self.secondary_follows()

    def serial(self, apex="cdn.example"):
        return read_zone(self.redis.client, apex).serial

    def addresses(self, name, apex="cdn.example"):
        """The addresses that a whole name is answered with by the primary."""
        owner = "@" if name == apex else name.removesuffix(f".{apex}")
        rrsets = decode_rrsets(read_zone(self.redis.client, apex).names.get(owner, "[]"))
        return {value for rtype, _, data in rrsets if rtype in ("A", "AAAA") for value in data}

    def access(self, domain):
        return Site.objects.get(domain=domain).access_name


@pytest.fixture
def played():
    server = PlayedSecondary()
    yield server
    server.stop()


@pytest.fixture
def world(keyspace, played, transactional_db):
    return World(keyspace, played)
