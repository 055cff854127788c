"""`manage.py token_create USER NAME --scope SCOPE …`: a token, whose secret is shown once."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.issuers import commander, named_user
from accounts.models import LIFETIME, Token
from accounts.tokens import token_create
from api.scopes import SCOPES


class Command(BaseCommand):
    help = "Make a token of the API for a user. Its secret alone goes to stdout, once; the rest to stderr."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="the owner: the token may never do more than this user")
        parser.add_argument("name", help="what uses it: “deploy of the shop”")
        parser.add_argument(
            "--scope",
            action="append",
            default=[],
            metavar="RESOURCE:VERB",
            help=f"what it is for; may be given again and again: {', '.join(SCOPES)}",
        )
        parser.add_argument("--every-scope", action="store_true", help="whatever its owner may do")
        for name, metavar, what in (("--domain", "HOST", "domain"), ("--network", "CIDR", "network")):
            words = f"limit it to this {what}; again for more"
            parser.add_argument(name, action="append", default=[], metavar=metavar, help=words)
        parser.add_argument(
            "--days", type=int, default=LIFETIME.days, help="until it expires; 0: never (%(default)s)"
        )
        parser.add_argument("--unused-days", type=int, metavar="DAYS", help="it ends when it rests so long")

    def handle(self, *, user: str, name: str, days: int, **options: Any) -> None:
        token = Token(
            name=name,
            owner=named_user(user),
            scopes=list(SCOPES) if options["every_scope"] else options["scope"],
            domains=options["domain"],
            networks=options["network"],
            expires_at=timezone.now() + timedelta(days=days) if days else None,
            max_unused_days=options["unused_days"],
        )
        try:
            secret = token_create(token=token, by=commander())
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        until = f"until {token.expires_at:%Y-%m-%d}" if token.expires_at else "without an end"
        self.stderr.write(f"Token {token.pk} “{name}” of {user}, {until}. Its secret is shown only now:")
        self.stdout.write(secret)
