"""What the edges serve of a domain, compared by fingerprint with what they should: “served on 5 of 5”."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from certificates.deployment.handshakes import PATIENCE, Served, Target, handshakes
from certificates.models import Certificate, Enrollment
from certificates.renewal.names import covers
from edge.statuses import names as listed
from nodes.models import Node

#: What stands for the star where a wildcard is asked for.
STAR = "cirrus-check"
#: What was seen is written again after so long, also where it is the same.
REFRESH = timedelta(minutes=30)
#: Seconds between two looks at an edge that does not serve the certificate yet.
AGAIN = 0.05


@dataclass(frozen=True)
class Seen:
    """What the serving edges serve of one certificate: node → what; `ok` are those that serve it."""

    by_node: Mapping[str, Served] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> list[str]:
        return [name for name in self.by_node if name not in self.wrong]

    @property
    def sentence(self) -> str:
        """Half a sentence: “served on 5 of 5”, and where it is not."""
        on = f"served on {len(self.ok)} of {len(self.by_node)}"
        if not self.wrong:
            return on
        return f"{on}; {listed([*self.wrong])}: {next(iter(self.wrong.values()))}"


def targets_of(enrollment: Enrollment, certificate: Certificate, nodes: Iterable[Node]) -> list[Target]:
    """Whom to ask for the certificate, by the first of the domain's names that it is for."""
    host = enrollment.domain.host
    name = host if covers(certificate.names, host) else next(iter(certificate.names), host)
    sni = name.replace("*", STAR, 1)
    return [Target(node.name, node.ipv4 or node.ipv6 or "", sni) for node in nodes]


def ask(targets: Sequence[Target], *, patience: float = PATIENCE) -> list[Served]:
    """Handshakes with the edges' public addresses, at CIRRUS_HTTPS_PORT."""
    config = settings.CIRRUS
    return handshakes(targets, port=config.https_port, allow=config.origin_allow, patience=patience)


def ask_until(targets: Sequence[Target], fingerprint: str, *, patience: float) -> dict[str, Served]:
    """The same, and again those that answered with something else, until `patience` seconds are over.

    One that has just acknowledged a document may have connections under way with the one before.
    """
    deadline = time.monotonic() + patience
    found: dict[str, Served] = {}
    left = [*targets]
    while left:
        found |= {t.node: served for t, served in zip(left, ask(left), strict=True)}
        left = [t for t in left if found[t.node].reached and found[t.node].fingerprint != fingerprint]
        if time.monotonic() > deadline:
            break
        if left:
            time.sleep(AGAIN)
    return found


def seen(certificate: Certificate, answers: Mapping[str, Served]) -> Seen:
    """Compare what was answered with what should be."""
    return Seen(
        answers, {name: why for name, served in answers.items() if (why := _wrong(served, certificate))}
    )


def note_served(certificate: Certificate, found: Seen) -> None:
    """Store what was seen in the row. No signal: nothing on the edges follows from it."""
    now = timezone.now()
    news: dict[str, Any] = {
        name: {
            "at": round(now.timestamp(), 1),
            "ok": name not in found.wrong,
            "why": found.wrong.get(name, ""),
        }
        for name in found.by_node
    }
    stale = (now - REFRESH).timestamp()
    before = certificate.served
    if set(news) == set(before) and all(_same(before[name], said, stale) for name, said in news.items()):
        return
    certificate.served = news
    Certificate.objects.filter(pk=certificate.pk).update(served=news)


def _same(stored: Any, said: dict[str, Any], stale: float) -> bool:
    if not isinstance(stored, dict) or stored.get("at", 0) < stale:
        return False
    return (stored.get("ok"), stored.get("why")) == (said["ok"], said["why"])


def _wrong(served: Served, certificate: Certificate) -> str:
    if served.fingerprint == certificate.fingerprint:
        return ""
    if served.fingerprint:
        return f"it serves another certificate ({served.fingerprint[:16]}…)"
    return served.why
