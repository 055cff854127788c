"""A small CDN with a certificate authority: a zone, two edges that are played, and a real Pebble."""

import socket

import pytest

from tests.ca import CertificateAuthority, Resolver
from tests.certificates.issuance.world import PlayedEdges, World


@pytest.fixture(scope="session")
def one_resolver():
    found = Resolver()
    yield found
    found.stop()


@pytest.fixture
def resolver(one_resolver):
    """What authorities ask for names; it knows none yet."""
    one_resolver.forget()
    return one_resolver


@pytest.fixture(scope="session")
def listener():
    """Where authorities come to with HTTP-01."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as found:
        yield found


@pytest.fixture
def edges(keyspace, transactional_db, listener):
    """The edges edge-1 and edge-2: one process that answers challenges from Redis, and acknowledges."""
    found = PlayedEdges(keyspace, listener)
    yield found
    found.stop()


@pytest.fixture
def start_ca(tmp_path, resolver, edges):
    """`start_ca(bad_nonces=50)`: a running authority that validates at the played edges."""
    running = []

    def start(**options):
        number = len(running)
        ca = CertificateAuthority(
            tmp_path / f"ca-{number}", resolver=resolver, http_port=edges.port, **options
        )
        running.append(ca)
        ca.start()
        return ca

    yield start
    for ca in running:
        ca.stop()


@pytest.fixture(scope="session")
def one_ca(tmp_path_factory, one_resolver, listener):
    port = listener.getsockname()[1]
    found = CertificateAuthority(tmp_path_factory.mktemp("ca"), resolver=one_resolver, http_port=port)
    yield found
    found.stop()


@pytest.fixture
def ca(one_ca, resolver, edges):
    """A running authority without chaos. Tests share it, each with accounts and counts of its own."""
    if one_ca.process is None:  # at first, and after a test that stopped it
        one_ca.start()
    one_ca.count_anew()
    return one_ca


@pytest.fixture
def world(keyspace, edges, resolver, ca, settings):
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"resolvers": [resolver.address]})
    return World(keyspace, edges, resolver, ca)
