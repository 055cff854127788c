"""What the page of a domain says of its certificate: what is served, until when, where, and what is next."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alarms.models import Alarm
from certificates.deployment.reaching import serving_nodes
from certificates.deployment.reverting import reason_not_reverted
from certificates.deployment.storing import counts
from certificates.models import Certificate, Enrollment
from certificates.renewal.names import missing
from certificates.renewal.policy import RENEW, Life
from certificates.services.next_steps import next_step
from certificates.services.situations import open_order, wanted_names, with_plans
from domains.models import Domain
from edge.statuses import PublicationStatus, Tone
from edge.statuses import names as listed

#: Alarms of a domain that its panel shows.
ALARMS = ("certificate", "certificate_deployment", "certificate_untried", "certificate_served")


@dataclass(frozen=True)
class Edge:
    """One edge and what it was last seen to serve."""

    node: str
    ok: bool
    sentence: str


@dataclass(frozen=True)
class Panel:
    """`line`: the one thing to know. `next`: what happens next and when. `pending`: it changes soon."""

    line: PublicationStatus
    next: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    pending: bool = False
    asks_dns: bool = False
    revertible: bool = False
    revocable: bool = False
    exportable: bool = False
    orderable: bool = False
    enrollment: Enrollment | None = None


def domain_panel(domain: Domain, *, now: datetime) -> Panel:
    """The panel of one domain. Asks no network but Redis: the delegation is asked apart."""
    enrollment = with_plans(Enrollment.objects.filter(domain=domain)).select_related("previous").first()
    if enrollment is None:
        return _unenrolled(domain)
    current, order = enrollment.current, open_order(enrollment)
    real = current if current and counts(current) else None
    waits = domain.tls and enrollment.source == Enrollment.Source.ACME and real is None
    return Panel(
        line=_line(enrollment, now),
        next=next_step(enrollment, now=now),
        facts=_facts(enrollment, now),
        edges=_edges(current) if current and domain.tls else [],
        problems=_problems(enrollment),
        pending=bool(
            enrollment.candidate or order or waits or (domain.tls and current and not current.served)
        ),
        asks_dns=bool(names_by_dns(enrollment)),
        revertible=not reason_not_reverted(enrollment),
        revocable=bool(real and real.source == Certificate.Source.ACME and not real.revoked_at),
        exportable=bool(real),
        orderable=domain.tls and domain.enabled,
        enrollment=enrollment,
    )


def _unenrolled(domain: Domain) -> Panel:
    if domain.tls:
        sentence = "HTTPS is turned on; a certificate is about to be requested"
        return Panel(PublicationStatus("pending", sentence), pending=True, orderable=domain.enabled)
    sentence = "HTTPS is not turned on: tick “Serve HTTPS” and save, and a certificate is requested by itself"
    return Panel(PublicationStatus("off", sentence))


def names_by_dns(enrollment: Enrollment) -> list[str]:
    """The names that only DNS can prove, by their kind or the operator's choice (out of `with_plans`)."""
    if not enrollment.domain.tls or enrollment.source != Enrollment.Source.ACME:
        return []
    names = wanted_names(enrollment)
    if enrollment.challenge == Enrollment.Challenge.AUTO:
        return [name for name in names if name.startswith("*.")]
    return names if enrollment.challenge == Enrollment.Challenge.DNS_01 else []


def _line(enrollment: Enrollment, now: datetime) -> PublicationStatus:
    current = enrollment.current
    if not enrollment.domain.tls:
        kept = "; its certificate is kept" if current and counts(current) else ""
        return PublicationStatus("off", f"HTTPS is not turned on{kept}")
    if enrollment.candidate:
        where = f" on {enrollment.candidate_node}" if enrollment.candidate_node else ""
        return PublicationStatus("pending", f"a new certificate is being tried{where}")
    if current is None:
        return PublicationStatus("refused", "there is no certificate: clients cannot connect over HTTPS")
    if not counts(current):
        return PublicationStatus(
            "pending", "a placeholder is served until one is issued: browsers warn of it"
        )
    if current.not_after <= now:
        return PublicationStatus("refused", f"the certificate has ended {_date(current.not_after)}")
    if current.revoked_at:
        return PublicationStatus(
            "refused", "the certificate was revoked, and is served until there is another"
        )
    until = f"valid until {_date(current.not_after)} ({duration_words(current.not_after - now)} left)"
    nodes = {node.name for node in serving_nodes()}
    served = {name: said for name, said in current.served.items() if name in nodes}
    good = sum(bool(said.get("ok")) for said in served.values())
    tone: Tone = "ok" if good == len(nodes) else "refused" if len(served) > good else "pending"
    lacking = missing(current.names, wanted_names(enrollment))
    if lacking:
        tone = "pending" if tone == "ok" else tone
        until += f", not for {listed(lacking)}"
    return PublicationStatus(tone, f"served on {good} of {len(nodes)}, {until}")


def _facts(enrollment: Enrollment, now: datetime) -> list[tuple[str, str]]:
    current = enrollment.current
    found = []
    if current and counts(current):
        life = Life(current.not_before, current.not_after)
        found = [
            (
                "From",
                current.issuer
                if current.source == Certificate.Source.ACME
                else f"{current.issuer} (uploaded)",
            ),
            ("Names", listed(list(current.names))),
            ("Key", current.key_type),
            ("Of its life", f"{max(0.0, life.share_left(now)):.0%} is left"),
        ]
        if (
            enrollment.source == Enrollment.Source.ACME
            and life.share_left(now) > RENEW
            and enrollment.renew_at
        ):
            found.append(("Planned renewal", _date(enrollment.renew_at)))
        if enrollment.ari_explanation:
            found.append(("The authority says", enrollment.ari_explanation))
    if enrollment.previous:
        found.append(
            ("Before it", f"{enrollment.previous.issuer}, until {_date(enrollment.previous.not_after)}")
        )
    return found


def _edges(current: Certificate) -> list[Edge]:
    found = []
    for node in serving_nodes():
        said = current.served.get(node.name)
        if not said:
            found.append(Edge(node.name, False, "not looked at yet"))
        else:
            found.append(Edge(node.name, bool(said.get("ok")), str(said.get("why") or "serves it")))
    return found


def _problems(enrollment: Enrollment) -> list[str]:
    alarms = Alarm.objects.open().filter(kind__in=ALARMS, subject=enrollment.domain.host)
    said = [*alarms.values_list("sentence", flat=True)]
    if enrollment.problem and not any(enrollment.problem in sentence for sentence in said):
        said.append(enrollment.problem)
    return said


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def duration_words(length: timedelta) -> str:
    """`60 days`, `30 h`, `12 min`."""
    seconds = length.total_seconds()
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:.0f} days"
    if seconds >= 2 * 3_600:
        return f"{seconds / 3_600:.0f} h"
    return f"{max(0, seconds) / 60:.0f} min"
