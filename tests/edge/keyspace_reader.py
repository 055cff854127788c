"""What the tests read from Redis, as an edge would read it, and what they write as an edge would."""

import json
import time
from typing import Any

from edge import keyspace
from tests.servers import RedisServer


def documents(server: RedisServer, kind: str = "domain") -> dict[str, Any]:
    """The documents of the index by key; each must be there, of the index's revision, and no tombstone."""
    client = server.client
    found = {}
    for key, score in client.zrange(keyspace.index_key(kind), 0, -1, withscores=True):
        found[key] = json.loads(client.get(keyspace.document_key(kind, key)))
        assert found[key]["rev"] == score
        assert client.zscore(keyspace.gone_key(kind), key) is None
    return found


def tombstones(server: RedisServer, kind: str = "domain") -> set[str]:
    """The withdrawn keys; none may have a document."""
    client = server.client
    gone = set(client.zrange(keyspace.gone_key(kind), 0, -1))
    assert not any(client.exists(keyspace.document_key(kind, key)) for key in gone)
    return gone


def changes(server: RedisServer) -> list[tuple[str, str]]:
    """(op, key) of every entry of the stream; the entries must form one chain of rising revisions."""
    entries = server.client.xrange(keyspace.CHANGES)
    positions = [(int(fields["epoch"]), int(fields["rev"])) for _, fields in entries]
    assert positions == sorted(set(positions))
    assert [fields["prev"] for _, fields in entries][1:] == [entry_id for entry_id, _ in entries][:-1]
    return [(fields["op"], fields["key"]) for _, fields in entries]


def meta(server: RedisServer) -> dict[str, str]:
    return server.client.hgetall(keyspace.META)


def acknowledge(server: RedisServer, node: str, *, rev: int | None = None, **fields: Any) -> None:
    """Say what an edge says that has applied everything, or only up to `rev`."""
    known = meta(server)
    epoch = int(known.get("epoch", 0))
    applied = int(known.get("rev", 0)) if rev is None else rev
    said = {"epoch": epoch, "rev": applied, "at": time.time(), "state": "live", "skew": 0.0}
    server.client.hset(keyspace.ack_key(node), mapping=said | fields)
    server.client.xadd(keyspace.acks_key(node), {"epoch": epoch, "rev": applied}, maxlen=1000)
