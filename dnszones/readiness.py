"""Who has which site: an edge is named in the DNS only after it has acknowledged the site's document, and
where it serves HTTPS, that of its certificate too."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dnszones.rendezvous import Mask
from edge.acks import Ack


@dataclass(frozen=True, slots=True)
class Published:
    """What an edge must have before a site is answered with it.

    `document`: kind and key, such as domain:www.a.example. `since_rev`: the revision with which it went live
    (`Publication.since_rev`), or with which the alias came that is asked about. Later revisions are changes
    of a site that an edge serves already. `epoch`: that of the publication.
    """

    document: str
    epoch: int
    since_rev: int


def ready_mask(published: Sequence[Published | None], acks: Sequence[Ack]) -> Mask:
    """[site, node] in the order of both; None stands for what is not published yet, which nobody has.

    An edge that refuses more documents than it can list has none for sure.
    """
    rows = [(item.epoch, item.since_rev) if item else (0, 0) for item in published]
    wanted = np.array(rows, dtype=np.int64).reshape(-1, 2)
    said = np.array([(ack.epoch, ack.rev) for ack in acks], dtype=np.int64).reshape(-1, 2)
    ready: Mask = (wanted[:, :1] == said[:, 0]) & (wanted[:, 1:] <= said[:, 1])
    ready[[item is None for item in published]] = False
    ready[:, [ack.refusals_cut for ack in acks]] = False
    for row, column in _refused(published, acks):
        ready[row, column] = False
    return ready


def serving_mask(
    sites: Sequence[Published | None], certificates: Sequence[Published | None], acks: Sequence[Ack]
) -> Mask:
    """[site, node]: who has the site and its certificate; of `certificates` None stands for a site that needs
    none, or has none yet."""
    ready = ready_mask(sites, acks)
    secured = [row for row, item in enumerate(certificates) if item]
    if secured:
        ready[secured] &= ready_mask([certificates[row] for row in secured], acks)
    return ready


def _refused(published: Sequence[Published | None], acks: Sequence[Ack]) -> Iterable[tuple[int, int]]:
    """The pairs in which the edge refuses the document as it is since it went live."""
    if not any(ack.refusals for ack in acks):
        return
    listed: dict[str, list[tuple[int, Published]]] = {}
    for row, item in enumerate(published):
        if item:
            listed.setdefault(item.document, []).append((row, item))
    for column, ack in enumerate(acks):
        for document in ack.refusals:
            refused, _ = ack.refused(document=document)
            for row, wanted in listed.get(document, ()):
                if refused >= (wanted.epoch, wanted.since_rev):
                    yield row, column
