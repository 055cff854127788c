"""`manage.py check_nodes [--probe]`: which nodes are well, and what every vantage point has found."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from edge.edge_line import Line
from edge.health.lines import NodeHealth, health_line, nodes_health, vantage_rows
from edge.health.services import nodes_probe
from nodes.models import Node
from nodes.services import LEAVING, safe_to_stop


class Command(BaseCommand):
    help = (
        "Print all nodes with their states and what the vantage points have found. "
        "Exit status 1 where an edge is down (with --probe: or a node that is up does not answer here), "
        "2 where it is not known."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--probe", action="store_true", help="probe them now from here; changes no state and no report"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *, probe: bool, json: bool, **options: Any) -> None:
        nodes = list(Node.objects.select_related("region").order_by("name"))
        health = nodes_health(nodes)
        here = _probe_here(nodes) if probe else {}
        write = self._write_json if json else self._write_table
        write([_row(health[node.name], here.get(node.name)) for node in nodes])
        failure = next((found.failure for found in health.values() if found.failure), "")
        if failure and not probe:
            raise CommandError(f"What the vantage points have found is not known: {failure}.", returncode=2)
        failed = {node.name for node in nodes if node.is_edge and node.state == Node.State.DOWN}
        failed |= {name for name, line in here.items() if line.tone == "refused"} & {
            node.name for node in nodes if node.state == Node.State.UP
        }
        if failed:
            sys.exit(1)

    def _write_table(self, rows: list[dict[str, Any]]) -> None:
        if not rows:
            self.stdout.write("No nodes yet.")
        columns = ("node", "region", "state", "health")
        widths = {name: max([len(name), *(len(row[name]) for row in rows)]) for name in columns[:3]}
        for row in [dict(zip(columns, columns, strict=True)), *rows] if rows else []:
            cells = [row[name].ljust(widths[name]) for name in columns[:3]]
            self.stdout.write("  ".join([*cells, row["health"]]))
            for point in row.get("vantage_points", []):
                found = f"{point['found']} ({point['counts']}, {point['ago']})"
                self.stdout.write(f"    from {point['name']}: {found}")
            if row.get("here"):
                self.stdout.write(f"    from here, now: {row['here']}")

    def _write_json(self, rows: list[dict[str, Any]]) -> None:
        said = {"at": timezone.now().isoformat(), "nodes": rows}
        self.stdout.write(json.dumps(said, indent=2, ensure_ascii=False))


def _row(health: NodeHealth, here: Line | None) -> dict[str, Any]:
    node = health.node
    line = health_line(health).sentence
    if node.state in LEAVING:
        line = f"{safe_to_stop(node).sentence}; {line}"
    row: dict[str, Any] = {
        "node": node.name,
        "region": node.region.name,
        "state": str(node.state),
        "health": line,
        "vantage_points": [
            {"name": row.vantage, "found": row.line.sentence, "counts": row.counts, "ago": row.ago}
            for row in vantage_rows(health)
        ],
    }
    return row | ({"here": here.sentence} if here else {})


def _probe_here(nodes: list[Node]) -> dict[str, Line]:
    found = nodes_probe(node for node in nodes if node.state != Node.State.MAINTENANCE)
    return {
        name: Line("ok", f"answered in {probe.ms:.0f} ms") if probe.ok else Line("refused", probe.why)
        for name, probe in found.items()
    }
