"""The world of the tests of issuing: two played edges, a zone, and real authorities."""

from tests.certificates.issuance.conftest import (
    ca,
    edges,
    listener,
    one_ca,
    one_resolver,
    resolver,
    start_ca,
    world,
)

__all__ = ["ca", "edges", "listener", "one_ca", "one_resolver", "resolver", "start_ca", "world"]
