"""The health of nodes for people: a line, a row for each vantage point, a few facts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.conf import settings

from edge.edge_line import Line
from edge.health.judging import decision_on
from edge.health.reports import Known, read_known
from edge.statuses import duration, names
from nodes.health.damping import Verdict
from nodes.health.votes import Consensus, Report
from nodes.models import Node


@dataclass(frozen=True)
class NodeHealth:
    """What is known of one node. `reports` are those of the configured vantage points, however old."""

    node: Node
    consensus: Consensus = field(default_factory=Consensus)
    reports: Mapping[str, Report] = field(default_factory=dict)
    now: float = 0.0
    failure: str = ""

    @property
    def fresh(self) -> dict[str, Report]:
        """The reports that are not too old to count."""
        interval = settings.CIRRUS.health_interval
        return {
            vantage: report
            for vantage, report in self.reports.items()
            if report.is_fresh(now=self.now, interval=interval)
        }


@dataclass(frozen=True)
class VantageRow:
    """What one vantage point has found, in words."""

    vantage: str
    line: Line
    counts: str
    ago: str


def nodes_health(nodes: Iterable[Node], *, known: Known | None = None) -> dict[str, NodeHealth]:
    """One for each of these nodes (with their regions selected), by name: one round trip to Redis."""
    wanted = list(nodes)
    known = known or read_known(node.name for node in wanted)
    if known.failure:
        return {node.name: NodeHealth(node, failure=known.failure) for node in wanted}
    thoughts = decision_on(wanted, known).consensus
    vantages = settings.CIRRUS.vantage_points
    return {
        node.name: NodeHealth(
            node,
            consensus=thoughts[node.name],
            reports={v: known.of(node.name)[v] for v in vantages if v in known.of(node.name)},
            now=known.now,
        )
        for node in wanted
    }


def health_line(health: NodeHealth) -> Line:
    """The one thing that an operator should know first about the health of this node."""
    if health.failure:
        return Line("pending", f"not known: {health.failure}")
    if health.node.state == Node.State.MAINTENANCE:
        return Line("off", "not probed in maintenance")
    fresh = health.fresh
    if not fresh:
        return _unprobed(health)
    thought = health.consensus
    if thought.verdict is Verdict.DOWN:
        return Line("refused", f"down{f': {thought.why}' if thought.why else ''}")
    if thought.verdict is Verdict.UNKNOWN:
        return _undecided(health)
    if why := next((report.why for report in fresh.values() if not report.ok), ""):
        return Line("pending", f"up, and a probe has failed: {why}")
    if problem := next((text for report in fresh.values() for text in report.view.get("problems", [])), ""):
        return Line("pending", f"up, and warns: {problem}")
    return Line("ok", f"up, answers in {max(report.ms for report in fresh.values()):.0f} ms")


def vantage_rows(health: NodeHealth) -> list[VantageRow]:
    """One for each vantage point that has ever reported."""
    rows = []
    for vantage, report in health.reports.items():
        found = f"answered in {report.ms:.0f} ms" if report.ok else report.why
        tone = {Verdict.UP: "ok", Verdict.DOWN: "refused"}.get(report.damping.verdict, "pending")
        rows.append(
            VantageRow(
                vantage=vantage,
                line=Line(tone, f"{report.damping.verdict}: {found}"),  # type: ignore[arg-type]
                counts=_counts(report),
                ago=f"{duration(max(0.0, health.now - report.at))} ago",
            )
        )
    return rows


def view_facts(health: NodeHealth) -> list[tuple[str, str]]:
    """What the edge says of itself, by its newest answer; nothing where it never gave one."""
    answered = [report for report in health.reports.values() if report.view]
    if not answered:
        return []
    view = max(answered, key=lambda report: report.at).view
    found = [
        ("Configuration", f"{duration(view['contact_age'])} old" if "contact_age" in view else ""),
        ("Free on the cache's disk", f"{view['free_bytes'] / 1e9:,.1f} GB" if "free_bytes" in view else ""),
        ("Attempts at origins that failed", f"{view['origin_errors']:,}" if "origin_errors" in view else ""),
        (
            "Attempts at origins that took too long",
            f"{view['origin_timeouts']:,}" if "origin_timeouts" in view else "",
        ),
        ("It warns", "; ".join(view.get("problems", []))),
    ]
    return [(name, value) for name, value in found if value]


def _unprobed(health: NodeHealth) -> Line:
    if not health.reports:
        return Line("pending", "not probed yet")
    age = health.now - max(report.at for report in health.reports.values())
    return Line("pending", f"not probed for {duration(abs(age))}: is a worker running, and beat?")


def _undecided(health: NodeHealth) -> Line:
    thought = health.consensus
    if thought.up and thought.down:
        return Line(
            "pending", f"not decided: up for {names(list(thought.up))}, down for {names(list(thought.down))}"
        )
    if thought.up or thought.down:
        return Line("pending", "not decided: too few vantage points have a vote")
    return Line("pending", f"not decided: {', '.join(dict.fromkeys(map(_counts, health.fresh.values())))}")


def _counts(report: Report) -> str:
    rise, fall = settings.CIRRUS.health_rise, settings.CIRRUS.health_fall
    if report.damping.fails:
        said = f"{report.damping.fails} of {fall} failures"
        return (
            f"{said}, {report.damping.streak} of {rise} successes in a row" if report.damping.streak else said
        )
    return f"{report.damping.streak} success{'' if report.damping.streak == 1 else 'es'} in a row"
