"""`manage.py rotate_sealing_key`: seal every secret again, with the first of CIRRUS_SEALING_KEYS."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from accounts.errors import SealingKeyMissing
from accounts.sealing import newest_key
from certificates.errors import KeyNotOnEdges
from certificates.resealing import SEALED, Resealed, secrets_reseal, secrets_waiting

LEFT, FAILED = 1, 2


class Command(BaseCommand):
    help = "Seal every secret again with the first of CIRRUS_SEALING_KEYS. Stop and start it as you like."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say what is left to do; exit 1 if any")
        parser.add_argument("--force", action="store_true", help="although an edge does not have the key yet")

    def handle(self, *, check: bool, force: bool, **options: Any) -> None:
        if check:
            self._check()
            return
        try:
            done = self._reseal(force)
        except (KeyNotOnEdges, SealingKeyMissing) as error:
            raise CommandError(str(error), returncode=FAILED) from error
        for sentence in done.failed:
            self.stderr.write(sentence)
        self.stdout.write(f"{done.done:,} secrets were sealed again, with the key “{newest_key()}”.")
        if done.failed:
            self.stdout.write(f"{len(done.failed):,} could not be opened, and stay as they are.")
            sys.exit(LEFT)
        self.stdout.write(
            "The other keys are needed no more by the database. Keep them on the edges until those have "
            "applied everything, and for as long as you keep backups of before."
        )

    def _check(self) -> None:
        left = {sealed.label: secrets_waiting(sealed).count() for sealed in SEALED}
        for label, count in left.items():
            self.stdout.write(f"{label}: {count:,} to be sealed again")
        if any(left.values()):
            sys.exit(LEFT)

    def _reseal(self, force: bool) -> Resealed:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            steps: dict[str, Any] = {}

            def progress(what: str, done: int, total: int) -> None:
                if what not in steps:
                    steps[what] = bar.add_task(what)
                bar.update(steps[what], completed=done, total=total)

            return secrets_reseal(force=force, progress=progress)
