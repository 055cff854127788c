"""Fixtures of the tests of purges."""

import pytest

from tests.factories import DomainFactory, NodeFactory


@pytest.fixture
def domain(keyspace):
    return DomainFactory(host="www.example.com")


@pytest.fixture
def edges(keyspace):
    NodeFactory(name="edge-1")
    NodeFactory(name="edge-2")
    return keyspace
