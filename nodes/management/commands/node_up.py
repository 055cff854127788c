"""`manage.py node_up NAME`: take a node into service."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from nodes.commands import named_node, who
from nodes.services import node_take_into_service


class Command(BaseCommand):
    help = "Take a node into service: state up, as if proven. Its probes take it down again where it fails."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--reason", default="", help="for the node's timeline")

    def handle(self, *, name: str, reason: str, **options: Any) -> None:
        node = named_node(name)
        changed = node_take_into_service(node=node, by=who(), reason=reason)
        self.stdout.write(f"{name} is {'now' if changed else 'already'} up.")
