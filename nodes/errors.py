"""What can go wrong with nodes."""

from cirrus_site.errors import CirrusError


class NodeStillServes(CirrusError):
    """A node that clients may still be sent to would be put into maintenance."""

    def __init__(self, node: str, why: str) -> None:
        self.node, self.why = node, why
        super().__init__(
            f"{node} may still get clients ({why}). Drain it first (manage.py node_drain {node} --wait), "
            "or force it, which its clients notice."
        )
