"""How far the document of a domain's certificates has come among the edges."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.acks import read_acks
from edge.errors import NotPublished
from edge.models import Kind, Outbox, Publication
from edge.outbox import flush
from edge.statuses import reached
from nodes.models import Node

#: Seconds between two looks while somebody waits: short at first, since edges mostly take a fraction of one.
POLL_FIRST, POLL_MOST = 0.01, 0.1


@dataclass(frozen=True)
class Reach:
    """`published`: the document is in Redis as it was saved last. `live`: there is one at all.

    `applied`, `waiting`: names of nodes; `refused`: node → why. `failure`: why nothing is known.
    """

    published: bool
    live: bool = True
    applied: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()
    refused: dict[str, str] = field(default_factory=dict)
    failure: str = ""

    @property
    def settled(self) -> bool:
        """Whether waiting for longer changes nothing."""
        return self.published and not self.waiting and not self.failure


def serving_nodes() -> list[Node]:
    """The edges that clients may be talking to, those that are up first, then by name."""
    return sorted(Node.objects.serving(), key=lambda node: (node.state != Node.State.UP, node.name))


def document_reach(domain_id: int, nodes: Sequence[str]) -> Reach:
    """Which of these nodes have the document of the domain's certificates as it was saved last."""
    of_domain = {"kind": Kind.CERTIFICATE, "object_id": domain_id}
    if row := Outbox.objects.filter(**of_domain).order_by("-error").first():
        return Reach(published=False, failure=row.error)
    publication = Publication.objects.filter(**of_domain, live=True).order_by("-rev").first()
    if publication is None:
        return Reach(published=True, live=False)
    acks = read_acks(nodes)
    if acks.failure:
        return Reach(published=True, failure=acks.failure)
    far = reached(publication, [*nodes], acks)
    return Reach(True, True, frozenset(far.applied), frozenset(far.waiting), far.refused)


def await_document(domain_id: int, nodes: Sequence[str], *, patience: float) -> Reach:
    """The same, once it is settled for all of them, or after `patience` seconds.

    What a killed worker has left in the outbox is published first.
    """
    deadline, pause = time.monotonic() + patience, POLL_FIRST
    reach = document_reach(domain_id, nodes)
    if not reach.published and not reach.failure:
        try:
            flush()
        except NotPublished as error:
            return Reach(published=False, failure=str(error).rstrip("."))
    while True:
        reach = document_reach(domain_id, nodes)
        left = deadline - time.monotonic()
        if reach.settled or left <= 0:
            return reach
        time.sleep(min(pause, left))
        pause = min(POLL_MOST, pause * 1.5)
