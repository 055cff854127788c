"""What edges and the DNS see of a node: `cdn:node:{name}`."""

from typing import Any

from nodes.models import Node


def node_document(node: Node) -> dict[str, Any]:
    """The body of a node's document (docs/keyspace.md, kind `node`)."""
    roles = [name for name, has in (("edge", node.is_edge), ("shield", node.is_shield)) if has]
    return {
        "name": node.name,
        "region": node.region.name,
        "roles": roles,
        "ipv4": node.ipv4 or "",
        "ipv6": node.ipv6 or "",
        "state": node.state,
        "weight": node.weight,
    }
