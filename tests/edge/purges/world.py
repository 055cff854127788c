"""What the tests of purges do."""

from edge.purges.services import (
    purge_request,
)
from tests.edge.keyspace_reader import documents


def purges(server):
    return documents(server, "purge")


def ask(domain, *urls, **what):
    [purge] = purge_request(domains=[domain], urls=urls, **what)
    purge.refresh_from_db()
    return purge
