"""`manage.py rebuild_zones`: build the zones now, and publish also what the guard refuses."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from dnszones.errors import BuildBusy
from dnszones.models import Zone
from dnszones.names import normalize_apex
from dnszones.publication import Outcome
from dnszones.publishing import zones_rebuild
from edge.errors import NotPublished

REFUSED, FAILED = 1, 2


class Command(BaseCommand):
    help = "Build the zones and give what differs to the primary. Exit status 1: one was not published whole."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("zone", nargs="*", help="the names of zones; none: all of them")
        parser.add_argument(
            "--force",
            action="store_true",
            help="publish even what removes more than CIRRUS_ZONE_REMOVE_SHARE",
        )

    def handle(self, *, zone: list[str], force: bool, **_: Any) -> None:
        try:
            only = {normalize_apex(text) for text in zone}
            result = zones_rebuild(force=force, only=only)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=FAILED) from error
        except (BuildBusy, NotPublished) as error:
            raise CommandError(str(error), returncode=FAILED) from error
        if unknown := only - {outcome.apex for outcome in result.outcomes}:
            raise CommandError(f"No published zone: {', '.join(sorted(unknown))}.", returncode=FAILED)
        for outcome in result.outcomes:
            self.stdout.write(f"{outcome.apex}: {_told(outcome)}")
            for warning in Zone.objects.get(apex=outcome.apex).warnings:
                self.stdout.write(f"  {warning}")
        for apex in result.removed:
            self.stdout.write(f"{apex}: withdrawn")
        if not result.outcomes and not result.removed:
            self.stdout.write("There is no zone to build.")
        if any(outcome.refused or outcome.held for outcome in result.outcomes):
            raise CommandError("Not every zone was published whole.", returncode=REFUSED)


def _told(outcome: Outcome) -> str:
    if outcome.refused:
        return f"refused. {outcome.refused}"
    changed = f"{outcome.changed:,} of them changed" if outcome.changed else "nothing has changed"
    return f"version {outcome.serial}, {outcome.names:,} names, {changed}. {outcome.held}".removesuffix(". ")
