"""manage.py config_apply: have everything as a file says."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from rest_framework.exceptions import PermissionDenied

from accounts.models import User
from api import history
from cirrus_site.errors import CirrusError
from configuration.applying import REMOVE_SHARE, config_apply
from configuration.comparing import Plan
from configuration.files import document_read
from configuration.secrets import from_references

SIGNS = {"created": "+", "changed": "~", "removed": "-"}


def share(text: str) -> float:
    """A share from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text} is no share from 0 to 1")
    return value


class Command(BaseCommand):
    help = "Have everything as FILE says, in one transaction. A section that it lacks is not touched."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="YAML or JSON; - for standard input")
        parser.add_argument("--plan", action="store_true", help="do nothing; show what would be done")
        parser.add_argument("--prune", action="store_true", help="remove what the sections do not name")
        parser.add_argument(
            "--remove-share",
            type=share,
            default=REMOVE_SHARE,
            help="what may be removed of one kind at once, from 0 to 1 (default: %(default)s)",
        )

        parser.add_argument(
            "--user", help="who does it: their rights hold, and the history names them (default: nobody, all)"
        )

    def handle(
        self, *, file: str, plan: bool, prune: bool, remove_share: float, user: str | None = None, **_: Any
    ) -> None:
        path = Path(file)
        try:
            text = sys.stdin.read() if file == "-" else path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read ({type(error).__name__}).") from error
        who = self._user(user)
        try:
            with history.recording(user=who, by="by manage.py config_apply"):
                found = config_apply(
                    document=document_read(text, name=file),
                    reveal=from_references(Path() if file == "-" else path.parent),
                    user=who,
                    plan_only=plan,
                    prune=prune,
                    remove_share=remove_share,
                )
        except (CirrusError, PermissionDenied) as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:  # a deadlock, or a lock that others hold for too long
            said = str(error).partition("\n")[0]
            raise CommandError(f"The database says: {said}. Nothing was applied; try again.") from error
        self._tell(found, "Nothing was done" if plan else "Applied")

    def _user(self, name: str | None) -> User:
        if name is None:
            return User(username="config_apply", is_superuser=True, is_active=True)
        if (user := User.objects.filter(username=name).first()) is None:
            raise CommandError(f"There is no user “{name}”.")
        return user

    def _tell(self, plan: Plan, word: str) -> None:
        for item in plan.items:
            self.stdout.write(f"{SIGNS[item.change]} {item.section} {item.key}")
            for change in item.fields:
                self.stdout.write(f"    {change.line}")
        for note in plan.notes:
            self.stdout.write(note)
        self.stdout.write(f"{word}: {plan.sentence}." if plan.items else "Everything is so already.")
