"""Weighted rendezvous hashing: which nodes serve a site, without a table that anybody keeps.

Each node gets a score for each site, and the highest scores win (highest random weight: Thaler and
Ravishankar, “Using name-based mappings to increase hit rates”, IEEE/ACM Transactions on Networking 6(1),
1998). With the logarithmic method of weights (Schindelhauer and Schomaker, “Weighted distributed hash
tables”, SPAA 2005),

    score(site, node) = -weight(node) / ln(u),    u in (0, 1) from a hash of (site, node)

a node wins weight / (sum of weights) of the sites. A score depends on nothing but its own site and node, so
a node that goes moves only the sites that it had won, one that comes takes only those that it wins, and a
changed weight moves sites to or from that node alone. The k highest scores are a random sample without
replacement by weight (Efraimidis and Spirakis, “Weighted random sampling with a reservoir”, 2006): the first
place is shared out exactly by weight, a further place among the nodes that are left.

The same on every machine: the hash is integer arithmetic. Logarithms of two machines may differ in their last
bit, which matters only where two scores agree in 15 digits.
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Scores = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int16]

#: In `Places`: nobody has won this place.
NOBODY = -1


def hashes(names: Sequence[str], *, kind: str) -> Hashes:
    """64 bits of BLAKE2b of each name; `kind` ("site", "node") keeps a site from hashing like a node."""
    person = kind.encode()
    digests = (blake2b(name.encode(), digest_size=8, person=person).digest() for name in names)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def scores(sites: Hashes, nodes: Hashes, weights: npt.NDArray[np.float64]) -> Scores:
    """The score [site, node] of every pair, all above 0. `weights` are those of the nodes, above 0."""
    mixed = _mix(sites[:, None] ^ nodes[None, :])
    # 52 bits and a half: exact in a float, and neither 0 nor 1.
    u = ((mixed >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return np.divide(-weights, np.log(u, out=u), out=u)


def winners(scored: Scores, allowed: Mask, replicas: npt.NDArray[np.int16]) -> Places:
    """The columns of the allowed nodes with the highest scores, best first: [site, max(replicas)].

    `replicas`: how many each site wants. A place that nobody is left for is NOBODY.
    """
    left = np.where(allowed, scored, 0.0)
    rows = np.arange(len(left))
    places = np.full((len(left), int(replicas.max(initial=0))), NOBODY, dtype=np.int16)
    if not left.size:
        return places
    for place in range(places.shape[1]):
        best = left.argmax(axis=1)  # of equal scores the first one, by name
        won = (left[rows, best] > 0) & (place < replicas)
        places[:, place] = np.where(won, best, NOBODY)
        left[rows, best] = 0.0
    return places


def _mix(bits: Hashes) -> Hashes:
    """The finalizer of MurmurHash3 (Appleby, 2011; public domain): every bit depends on every bit."""
    bits ^= bits >> np.uint64(33)
    bits *= np.uint64(0xFF51AFD7ED558CCD)
    bits ^= bits >> np.uint64(33)
    bits *= np.uint64(0xC4CEB9FE1A85EC53)
    bits ^= bits >> np.uint64(33)
    return bits
