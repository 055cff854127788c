"""A small CDN with a certificate authority: a zone, two edges that are played, and a real Pebble."""

import pytest

from tests.ca import CertificateAuthority, Resolver
from tests.certificates.issuance.world import PlayedEdges, World


@pytest.fixture
def resolver():
    found = Resolver()
    yield found
    found.stop()


@pytest.fixture
def edges(keyspace, transactional_db):
    """The edges edge-1 and edge-2: one process that answers challenges from Redis, and acknowledges."""
    found = PlayedEdges(keyspace)
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


@pytest.fixture
def ca(start_ca):
    return start_ca()


@pytest.fixture
def world(keyspace, edges, resolver, ca, settings):
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"resolvers": [resolver.address]})
    return World(keyspace, edges, resolver, ca)
