"""Documents written to Redis as the control plane writes them, but of the test's own making."""

import json
import secrets
from functools import partial
from typing import Any

from django.conf import settings

from domains.models import Domain
from edge import keyspace
from edge.projection import SCRIPT
from edge.rendering import canonical
from edge.revisions import take_revisions
from tests.servers import EdgeServer, RedisServer, eventually


class Documents:
    """`put("challenge", "www.example.com", {…})` is seen by every edge of this Redis."""

    def __init__(self, redis: RedisServer, *edges: EdgeServer) -> None:
        self.client, self.edges = redis.client, edges

    def put(self, kind: str, key: str, body: dict[str, Any]) -> int:
        """Write a document under a new revision, and wait until every edge has handled it."""
        epoch, rev = take_revisions(1)
        text = canonical(keyspace.envelope(epoch=epoch, rev=rev, body=body))
        return self._write(kind, key, epoch, rev, text)

    def withdraw(self, kind: str, key: str) -> int:
        """Withdraw it, and wait."""
        return self._write(kind, key, *take_revisions(1), "")

    def change(self, domain: Domain, **fields: Any) -> int:
        """The document of a domain with other fields."""
        text = eventually(lambda: self.client.get(keyspace.document_key("domain", domain.host)))
        body = {name: value for name, value in json.loads(text).items() if name not in ENVELOPE}
        return self.put("domain", domain.host, {**body, **fields})

    def _write(self, kind: str, key: str, epoch: int, rev: int, text: str) -> int:
        token = secrets.token_hex(8)
        self.client.set(keyspace.PUBLISH_LOCK, token, ex=10)
        keys: list[str] = [keyspace.META, keyspace.CHANGES, keyspace.index_key(kind), keyspace.gone_key(kind)]
        keys += [keyspace.PUBLISH_LOCK, keyspace.document_key(kind, key)]
        length = settings.CIRRUS.changes_length
        arguments: list[str | int] = [kind, epoch, length, keyspace.NOTIFY, token, key, rev, text]
        assert self.client.eval(SCRIPT, len(keys), *keys, *arguments)
        self.client.delete(keyspace.PUBLISH_LOCK)
        for edge in self.edges:
            eventually(partial(self._has, edge, rev))
        return rev

    @staticmethod
    def _has(edge: EdgeServer, rev: int) -> bool:
        return bool(edge.health()["rev"] >= rev)


ENVELOPE = {"schema", "epoch", "rev"}
