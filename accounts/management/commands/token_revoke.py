"""`manage.py token_revoke ID …`, or `--user USER`: tokens end now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.issuers import commander, named_token, named_user
from accounts.services import user_tokens_revoke
from accounts.tokens import token_revoke


class Command(BaseCommand):
    help = "Revoke tokens of the API: the next request with one of them is refused."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", nargs="*", type=int, help="the numbers that token_list shows")
        parser.add_argument("--user", help="every token of this user")

    def handle(self, *, id: list[int], user: str | None, **options: Any) -> None:
        if bool(id) == bool(user):
            raise CommandError("Name the tokens by their numbers, or all of a user by --user.")
        by = commander().name
        if user:
            ended = user_tokens_revoke(user=named_user(user), by=by)
            self.stdout.write(f"Revoked {ended} of {user}'s tokens.")
        for token in [named_token(number) for number in id]:
            news = token_revoke(token=token, by=by)
            self.stdout.write(f"{'Revoked' if news else 'Was revoked already:'} {token}.")
