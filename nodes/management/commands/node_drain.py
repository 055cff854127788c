"""`manage.py node_drain NAME [--wait [SECONDS]]`: let no new clients come, and say when it may be stopped."""

import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from nodes.commands import named_node, who
from nodes.models import Node
from nodes.services import LEAVING, SafeToStop, node_drain, safe_to_stop

#: Seconds between two looks, and that are waited where no number is given.
LOOK, PATIENCE = 0.5, 900


class Command(BaseCommand):
    help = (
        "Drain a node: it leaves the DNS and serves on until the last answers with it have expired. "
        "Exit status 1 where it was not safe to stop within --wait."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--reason", default="", help="for the node's timeline")
        parser.add_argument(
            "--wait",
            nargs="?",
            type=float,
            const=PATIENCE,
            metavar="SECONDS",
            help=f"wait until it is safe to stop ({PATIENCE} s where no number is given)",
        )

    def handle(self, *, name: str, reason: str, wait: float | None, **options: Any) -> None:
        node = named_node(name)
        if node.state != Node.State.MAINTENANCE:
            node_drain(node=node, by=who(), reason=reason)
        leave = safe_to_stop(node)
        self.stdout.write(f"{name} is {node.state}: {leave.sentence}.")
        if wait is not None and not leave.safe and not self._wait(node, leave, seconds=wait):
            sys.exit(1)

    def _wait(self, node: Node, last: SafeToStop, *, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(min(LOOK, seconds))
            node.refresh_from_db()
            leave = safe_to_stop(node)
            if leave.sentence != last.sentence:
                self.stdout.write(f"{node.name} is {node.state}: {leave.sentence}.")
                last = leave
            if leave.safe or node.state not in LEAVING:
                return leave.safe
        self.stderr.write(f"{node.name} is not safe to stop after {seconds:g} s.")
        return False
