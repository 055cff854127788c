"""`manage.py node_maintenance NAME [--force]`: nobody waits for it, nothing probes it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from nodes.commands import named_node, who
from nodes.errors import NodeStillServes
from nodes.services import node_maintain


class Command(BaseCommand):
    help = "Put a node into maintenance. Refused while clients may still be sent to it, unless forced."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--reason", default="", help="for the node's timeline")
        parser.add_argument("--force", action="store_true", help="even if clients notice")

    def handle(self, *, name: str, reason: str, force: bool, **options: Any) -> None:
        node = named_node(name)
        try:
            changed = node_maintain(node=node, by=who(), reason=reason, force=force)
        except NodeStillServes as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"{name} is {'now' if changed else 'already'} in maintenance.")
