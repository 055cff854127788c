"""The list of zones of an NSD: never a part of it that looks whole."""

import pytest
import redis

from dnszones.nsd_folder import zones_for
from tests.dnszones.published import names, publish, secondary


@pytest.fixture
def interrupted(keyspace):
    """A client between whose commands a build ends: its second zone, and the word that this is all."""
    port = keyspace.client.connection_pool.connection_kwargs["port"]

    class Client(redis.Redis):
        def execute_command(self, *words, **options):
            answer = super().execute_command(*words, **options)
            if "b.example" not in keyspace.client.hkeys("cdn:zones"):
                publish(keyspace.client, "b.example", names("b.example"), serial=1)
            return answer

    return Client(port=port, decode_responses=True)


def test_a_build_that_ends_meanwhile_takes_no_zone_away(keyspace, interrupted):
    publish(keyspace.client, "a.example", names("a.example"), serial=1)
    keyspace.client.delete("cdn:zones:confirmed")
    zones, complete = zones_for(interrupted, secondary())
    assert zones == {"a.example", "b.example"} or not complete
