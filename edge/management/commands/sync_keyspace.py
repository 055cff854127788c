"""`manage.py sync_keyspace`: compare Redis with the database, repair it, or write it anew."""

import json
import sys
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from edge.errors import NotPublished, PlanRefused, RepairBusy
from edge.plan import Plan
from edge.sync import Progress, keyspace_compare, keyspace_repair

DRIFTED, FAILED = 1, 2


class Command(BaseCommand):
    help = "Compare what the edges read in Redis with the database; repair what differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--check", action="store_true", help="print the plan; exit 1 where there is drift")
        what.add_argument("--repair", action="store_true", help="make Redis hold what the database says")
        what.add_argument("--rebuild", action="store_true", help="write everything again, in a new epoch")
        parser.add_argument(
            "--force", action="store_true", help="withdraw more than CIRRUS_REPAIR_DELETE_SHARE allows"
        )
        parser.add_argument("--json", action="store_true", help="print the plan as JSON")

    def handle(self, *, check: bool, rebuild: bool, force: bool, **options: Any) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        try:
            with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
                progress = _on(bar)
                if check:
                    plan = keyspace_compare(progress=progress)
                else:
                    plan = keyspace_repair(force=force, rebuild=rebuild, trust_edges=True, progress=progress)
        except (NotPublished, PlanRefused, RepairBusy) as error:
            raise CommandError(str(error), returncode=FAILED) from error
        self.stdout.write(_as_json(plan) if options["json"] else "\n".join(plan.lines()))
        if not check and not options["json"] and plan.differences:
            self.stdout.write(f"Done: {plan.written} written, {plan.withdrawn} withdrawn; the edges follow.")
        if check and not plan.sound:
            sys.exit(DRIFTED)


def _on(bar: Bar) -> Progress:
    steps: dict[str, Any] = {}

    def progress(what: str, done: int, total: int) -> None:
        if what not in steps:
            steps[what] = bar.add_task(what)
        bar.update(steps[what], completed=done, total=total)

    return progress


def _as_json(plan: Plan) -> str:
    counts = Counter((d.kind, str(d.problem)) for d in plan.differences)
    return json.dumps(
        {
            "sound": plan.sound,
            "lineage": plan.lineage.name.lower(),
            "new_epoch": plan.rewrite,
            "published": plan.published,
            "differences": [
                {"kind": kind, "problem": problem, "count": count}
                for (kind, problem), count in sorted(counts.items())
            ],
            "broken": plan.broken,
            "edges_ahead": plan.edges_ahead,
        }
    )
