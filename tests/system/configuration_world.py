"""What edges serve of a domain, and what they are told of it."""

import json

from edge import keyspace as names
from edge.models import Kind
from edge.services import publication_status


def serves(edge, origin, host, path="/"):
    answer = edge.get(host, path)
    return answer.status_code == 200 and answer.text.endswith(f"from {origin.port}")


def applied(edges, domain):
    """Every edge has applied what is published of the domain."""
    status = publication_status(kind=Kind.DOMAIN, object_id=domain.pk)
    return status.tone == "ok" and status.applied_by >= len(edges)


def published(keyspace, host):
    return json.loads(keyspace.client.get(names.document_key(Kind.DOMAIN, host)))


def announce(keyspace, host, document, **entry):
    """Put a document into Redis as if the control plane had, whatever it says."""
    client = keyspace.client
    text = document if isinstance(document, str) else json.dumps(document)
    client.set(names.document_key(Kind.DOMAIN, host), text)
    last = client.hget(names.META, names.META_LAST)
    fields = {"kind": "domain", "key": host, "op": "put", "prev": last, **entry}
    stream_id = client.xadd(names.CHANGES, fields)
    client.hset(names.META, mapping={names.META_LAST: stream_id})
    return stream_id
