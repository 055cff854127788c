"""Real servers for the tests. Each starts on a free port, and stops only what it started."""

from tests.servers.dns_servers import NameServer, NsdServer, PrimaryServer
from tests.servers.edge_server import EdgeServer
from tests.servers.origin import Origin, OriginAnswer, OriginRequest
from tests.servers.processes import ROOT, MissingServer, binary, eventually, free_port, manage
from tests.servers.redis_server import RedisServer
from tests.servers.tls import certificate_for

__all__ = [
    "ROOT",
    "EdgeServer",
    "MissingServer",
    "NameServer",
    "NsdServer",
    "Origin",
    "OriginAnswer",
    "OriginRequest",
    "PrimaryServer",
    "RedisServer",
    "binary",
    "certificate_for",
    "eventually",
    "free_port",
    "manage",
]
