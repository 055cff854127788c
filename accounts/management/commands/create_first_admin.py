from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.services import first_admin_create


class Command(BaseCommand):
    help = "Make the first superuser with a generated password, shown once. Does nothing where one exists."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", default="admin")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        password = first_admin_create(username=username)
        if password is None:
            self.stdout.write("There is a superuser already; none was made.")
            return
        self.stdout.write(f"First admin: user {username}, password {password}")
        self.stdout.write("This password is shown only now: keep it, or change it after the first login.")
