"""`manage.py run_edge --node NAME`: run an edge of this CDN on this machine."""

import os
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from cirrus_site.errors import CirrusError
from edge.reloading import edge_reload
from edge.runtime import EdgeOptions, environment, prepare


def port(text: str) -> int:
    """A TCP port, for argparse, which says that anything else is an “invalid port value”."""
    number = int(text)
    if not 1 <= number <= 65_535:
        raise ValueError
    return number


def port_or_none(text: str) -> int:
    """The same, or 0."""
    return 0 if text == "0" else port(text)


class Command(BaseCommand):
    help = (
        "Write the configuration of an edge, check it, and run its nginx in the foreground. "
        "Needs neither the database nor Redis to start: it serves what its snapshot holds."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--node", required=True, help="the node's name, as in the portal")
        parser.add_argument("--http-port", type=port, default=settings.CIRRUS.edge_http_port)
        parser.add_argument(
            "--https-port", type=port_or_none, default=settings.CIRRUS.edge_https_port, help="0: no HTTPS"
        )
        parser.add_argument("--status-port", type=port, default=settings.CIRRUS.edge_status_port)
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--check", action="store_true", help="write and check the configuration only")
        what.add_argument(
            "--reload",
            action="store_true",
            help="give the running edge of this name the settings of now, without refusing a connection",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        ports = (options[name] for name in ("http_port", "https_port", "status_port"))
        edge = EdgeOptions(options["node"], *ports)
        try:
            if options["reload"]:
                edge_reload(edge)
                self.stdout.write(f"The edge {edge.node} has the settings of now.")
                return
            command = prepare(edge)
        except CirrusError as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(f"--node {edge.node}: {error.messages[0]}") from error
        if options["check"]:
            self.stdout.write(f"The configuration of {edge.node} is good: {edge.folder}/nginx.conf")
            return
        # This process becomes nginx, so signals reach it.
        os.execve(command[0], command, environment())  # noqa: S606
