"""Real edges and origins, fresh for each test."""

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.dnszones.published import names, publish, publish_secondaries, secondary
from tests.factories import NodeFactory
from tests.fork_server import ForkServer
from tests.servers import EdgeServer, Origin, PrimaryServer, RedisServer, certificate_for
from tests.system.dns_world import APEX, primary_settings

_numbers = count(1)


@pytest.fixture(scope="session")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authorities that edges hold origins against: one, which has signed nothing.

    Those of the machine are more than a hundred, and nginx reads them for each of its locations: most of
    the time that it took to start.
    """
    _, found = certificate_for("authority.example", folder=tmp_path_factory.mktemp("authorities"))
    return found


@pytest.fixture
def edge_settings(keyspace: RedisServer, authorities: Path) -> dict[str, str]:
    """The environment of an edge whose folder is this test's own."""
    folder = settings.VAR_DIR / f"edges-{next(_numbers)}"
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "cirrus_site.settings",
        "CIRRUS_VAR_DIR": str(folder),
        "REDIS_URL": settings.KEYSPACE_URL,
        "CIRRUS_EDGE_CA_BUNDLE": str(authorities),
    }


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """The process that starts this test process's edges."""
    server = ForkServer()
    yield server
    server.stop()


@pytest.fixture
def start_edge(edge_settings: dict[str, str], fork_server: ForkServer) -> Iterator[Callable[..., EdgeServer]]:
    """`start_edge("edge-1", CIRRUS_…="…")`: a running edge that ends with the test."""
    running: list[EdgeServer] = []

    def start(node: str = "edge-1", *, wait: bool = True, **more: str) -> EdgeServer:
        server = EdgeServer(node, settings={**edge_settings, **more}, manage=fork_server.manage)
        running.append(server)
        server.start(wait=wait)
        return server

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def start_origin() -> Iterator[Callable[..., Origin]]:
    """`start_origin()`: a web server whose answers the test sets."""
    running: list[Origin] = []

    def start(**options: Any) -> Origin:
        running.append(Origin(**options))
        return running[-1]

    yield start
    for origin in running:
        origin.stop()


@pytest.fixture
def origin(start_origin: Callable[..., Origin]) -> Origin:
    return start_origin()


@pytest.fixture
def edge(one_node: None, start_edge: Callable[..., EdgeServer]) -> EdgeServer:
    """One running edge, known to the control plane as edge-1."""
    return start_edge("edge-1")


@pytest.fixture
def edges(two_nodes: None, start_edge: Callable[..., EdgeServer]) -> list[EdgeServer]:
    """Two running edges, edge-1 and edge-2."""
    return [start_edge("edge-1"), start_edge("edge-2")]


@pytest.fixture
def one_node(transactional_db: None, keyspace: RedisServer) -> None:
    """The node edge-1, up, in SQL and in Redis."""
    NodeFactory(name="edge-1")


@pytest.fixture
def two_nodes(one_node: None) -> None:
    """The nodes edge-1 and edge-2, up, in SQL and in Redis."""
    NodeFactory(name="edge-2")


@pytest.fixture
def start_primary(keyspace: RedisServer, tmp_path: Path) -> Iterator[Callable[..., PrimaryServer]]:
    """`start_primary()`: a running primary that ends with the test."""
    running: list[PrimaryServer] = []

    def start(*, wait: bool = True, **more: str) -> PrimaryServer:
        running.append(PrimaryServer(tmp_path / f"primary-{len(running)}", settings=primary_settings(**more)))
        running[-1].start(wait=wait)
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def redis_client(keyspace: RedisServer) -> Any:
    """A client of a Redis with nothing in it."""
    return keyspace.client


@pytest.fixture
def primary(redis_client: Any, start_primary: Callable[..., PrimaryServer]) -> PrimaryServer:
    """A running primary with one zone, and ns1 as its secondary."""
    publish_secondaries(redis_client, secondary())
    publish(redis_client, APEX, names(APEX), serial=7)
    return start_primary()
