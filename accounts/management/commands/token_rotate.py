"""`manage.py token_rotate ID [--overlap HOURS]`: a new secret; the old one lives on for a while."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.errors import TokenEnded
from accounts.issuers import commander, named_token
from accounts.tokens import OVERLAP, token_rotate


class Command(BaseCommand):
    help = "Give a token a successor. Its secret alone goes to stdout, once; the rest to stderr."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", type=int, help="the number that token_list shows")
        parser.add_argument(
            "--overlap",
            type=float,
            default=OVERLAP.total_seconds() / 3600,
            metavar="HOURS",
            help="how long the old secret lives on; 0: it ends now (%(default)g)",
        )

    def handle(self, *, id: int, overlap: float, **options: Any) -> None:
        if overlap < 0:
            raise CommandError("--overlap cannot be negative.")
        token = named_token(id)
        try:
            new, secret = token_rotate(token=token, by=commander(), overlap=timedelta(hours=overlap))
        except TokenEnded as error:
            raise CommandError(str(error)) from error
        until = f"{timezone.localtime(token.expires_at):%Y-%m-%d %H:%M}" if token.expires_at else "never"
        self.stderr.write(f"Token {new.pk} follows token {id}, which ends {until}. The new secret, only now:")
        self.stdout.write(secret)
