"""`manage.py token_list [--user USER] [--all]`: tokens, one a line; never a secret."""

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from accounts.issuers import named_user
from accounts.models import Token
from accounts.tokens import end_of

TITLES = ("id", "name", "owner", "secret", "scopes", "limited to", "state", "expires", "last used")


class Command(BaseCommand):
    help = "List the tokens of the API: those that are valid, or all of them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", help="only those of this user")
        parser.add_argument("--all", action="store_true", help="also what has expired or was revoked")

    def handle(self, *, user: str | None, all: bool, **options: Any) -> None:
        now = timezone.now()
        tokens = Token.objects.select_related("owner").order_by("pk")
        if user:
            tokens = tokens.filter(owner=named_user(user))
        rows = [(token, end_of(token, now=now)) for token in tokens]
        shown = [(token, end) for token, end in rows if all or not end]
        if not shown:
            self.stdout.write("None is valid; --all shows all of them." if rows else "There is no token.")
            return
        table = Table(box=None, pad_edge=False)
        for title in TITLES:
            table.add_column(title, overflow="fold")
        for token, end in shown:
            limits = " ".join([*token.domains, *token.networks])
            row = (str(token.pk), token.name, str(token.owner), token.hint, " ".join(token.scopes), limits)
            table.add_row(*row, end or "active", _day(token.expires_at), _day(token.last_used_at))
        # By way of `self.stdout`, which whoever calls the command may have redirected.
        text = Console(width=None if self.stdout.isatty() else 200)
        with text.capture() as printed:
            text.print(table)
        self.stdout.write(printed.get().rstrip())


def _day(moment: datetime | None) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d}" if moment else "never"
