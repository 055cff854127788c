"""`manage.py traffic HOST [--minutes N]`: what the edges have counted for a domain."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from domains.models import HostName
from edge.traffic import DAY, HOUR, read_traffic
from edge.traffic_panel import facts
from nodes.models import Node


def minutes(text: str) -> int:
    """Minutes, for argparse: one to what is kept."""
    number = int(text)
    if not 1 <= number <= 2 * DAY:
        raise ValueError
    return number


class Command(BaseCommand):
    help = "Print the traffic of a domain (any of its names) over the last minutes, all edges together."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("host")
        parser.add_argument("--minutes", type=minutes, default=HOUR, help="1 to 2880; 60 where not given")

    def handle(self, *, host: str, minutes: int, **options: Any) -> None:
        name = HostName.objects.filter(name=host.lower()).select_related("domain").first()
        if name is None:
            raise CommandError(f"No domain is called {host}.")
        nodes = Node.objects.values_list("name", flat=True)
        report = read_traffic(host=name.domain.host, nodes=nodes, minutes=minutes, now=time.time())
        if report.failure:
            raise CommandError(f"The traffic is not known now: {report.failure}.")
        if not report.total.requests:
            self.stdout.write(f"No traffic in the last {minutes} minutes.")
            return
        for title, value in facts(report):
            self.stdout.write(f"{title:16} {value}")
        for path, count in report.total.top_paths:
            self.stdout.write(f"{count:>16,} {path}")
