"""`manage.py steering`: who serves a site and why, how sites are spread, and what if a node goes down."""

from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dnszones.errors import NotSteered
from dnszones.inquiry import (
    Fleet,
    FleetChange,
    Inquiry,
    domain_inquire,
    domain_named,
    fleet_inquire,
    fleet_without,
)
from domains.hostnames import display_hostname
from edge.errors import NotPublished


class Command(BaseCommand):
    help = (
        "Tell which nodes the DNS answers with. --explain HOST: for one domain, and why. --summary: sites of "
        "each node, against its weight. --without NODE: what if it went down, for one domain or for all."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--explain", metavar="HOST", default="", help="a host name or an access name")
        parser.add_argument(
            "--without", metavar="NODE", action="append", default=[], help="as if it were down; repeatable"
        )
        parser.add_argument("--summary", action="store_true", help="all sites, by node")

    def handle(self, *, explain: str, without: list[str], summary: bool, **_: Any) -> None:
        if summary and (explain or without):
            raise CommandError("--summary tells how things are; it goes with no other option.")
        try:
            if explain:
                domain = domain_named(explain)
                self._tell_site(domain_inquire(domain=domain, without=without))
            elif without:
                self._tell_change(fleet_without(nodes=without))
            elif summary:
                self._tell_fleet(fleet_inquire())
            else:
                raise CommandError("Say what to tell: --explain HOST, --summary or --without NODE.")
        except (NotSteered, NotPublished) as error:
            raise CommandError(str(error)) from error

    def _tell_site(self, inquiry: Inquiry) -> None:
        self._write(f"{display_hostname(inquiry.domain.host)}, answered at {', '.join(inquiry.names)}")
        self._write(*inquiry.sentences, "")
        header = ("node", "region", "state", "weight", "share", "score", "place", "verdict", "why")
        self._table(
            header,
            [
                (
                    row.node,
                    row.region,
                    row.state,
                    f"{row.weight:,}",
                    row.percent if row.place else "",
                    f"{row.score:,.1f}",
                    str(row.place or ""),
                    str(row.verdict),
                    row.sentence,
                )
                for row in inquiry.explanation.rows
            ],
        )

    def _tell_fleet(self, fleet: Fleet) -> None:
        self._write(f"{fleet.sites:,} sites", *fleet.notes, "")
        header = ("node", "region", "state", "weight", "sites", "first in", "share", "by weight")
        self._table(
            header,
            [
                (
                    load.node.name,
                    load.node.region,
                    load.node.state,
                    f"{load.node.weight:,}",
                    f"{load.sites:,}",
                    f"{load.first:,}",
                    load.percent,
                    load.percent_expected,
                )
                for load in fleet.loads
            ],
        )

    def _tell_change(self, change: FleetChange) -> None:
        self._write(change.sentence, *change.notes)
        if change.takeover.emptied:
            self._write(f"{change.takeover.emptied:,} sites would have no answer.")
        if change.gaining:
            self._write("")
            self._table(("takes over", "sites"), [(name, f"{count:,}") for name, count in change.gaining])

    def _table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        lines = [header, *rows]
        widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self._write("  ".join(cells).rstrip())

    def _write(self, *lines: str) -> None:
        for line in lines:
            self.stdout.write(line)
