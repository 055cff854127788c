"""`manage.py renew_certificates`: what is due, ordered now and here; or what would be ordered, and when."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from certificates.services.renewing import Renewed, certificates_renew, enrollments_named
from certificates.services.tables import renewal_rows, table
from domains.hostnames import display_hostname


class Command(BaseCommand):
    help = (
        "Order the certificates that are due, and wait for them; the worker does the same by itself. "
        "--dry-run: only tell what would be ordered, when and why. --force: also what is not due (mind the "
        "authority's limits). Exits with 1 where a certificate was not issued."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="order nothing")
        parser.add_argument(
            "--domain", metavar="HOST", action="append", default=[], help="only this domain; repeatable"
        )
        parser.add_argument("--force", action="store_true", help="renew also what is not due")

    def handle(self, *, dry_run: bool, domain: list[str], force: bool, **_: Any) -> None:
        enrollments, unknown = enrollments_named(domain)
        if unknown:
            raise CommandError(
                f"No certificate is ordered for {', '.join(unknown)}: the domain does not exist, is "
                "disabled, does not serve HTTPS, or has an uploaded certificate."
            )
        if dry_run:
            for line in table(
                ("domain", "order", "when", "why", "authority", "names"),
                renewal_rows(enrollments, now=timezone.now(), force=force),
            ):
                self.stdout.write(line)
            if not enrollments:
                self.stdout.write("No domain serves HTTPS with certificates from an authority.")
            return
        self.told = 0
        missed = certificates_renew(enrollments=enrollments, force=force, tell=self._tell)
        if not self.told:
            self.stdout.write("Nothing is due.")
        if missed:
            sys.exit(1)

    def _tell(self, renewed: Renewed) -> None:
        self.told += 1
        self.stdout.write(f"{display_hostname(renewed.host)}: {renewed.sentence}")
