"""`manage.py certificates`: each domain's certificate, what is wrong with it and what happens next."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from certificates.services.tables import HEADER, certificate_rows, table


class Command(BaseCommand):
    help = (
        "Tell of every domain that serves HTTPS which certificate it has, until when, on how many edges, and "
        "what happens next. Exits with 1 where something is wrong."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--problems", action="store_true", help="only where something is wrong")

    def handle(self, *, problems: bool, **_: Any) -> None:
        rows = certificate_rows(now=timezone.now())
        wrong = [row for row in rows if row.problem]
        shown = wrong if problems else rows
        for line in table(HEADER, [row.cells for row in shown]) if shown else []:
            self.stdout.write(line)
        if not rows:
            self.stdout.write("No domain serves HTTPS yet.")
        elif problems and not wrong:
            self.stdout.write(f"Nothing is wrong with {len(rows):,} certificates.")
        if wrong:
            sys.exit(1)
