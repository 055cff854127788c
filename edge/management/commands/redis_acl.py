"""`manage.py redis_acl`: the Redis users of Cirrus, printed as lines of an ACL file, or applied."""

import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from edge.acl import RedisUser, redis_users
from edge.errors import RedisRefuses, RedisUnreachable
from edge.store import reaching_redis
from nodes.models import Node


class Command(BaseCommand):
    help = (
        "Print the Redis users of the control plane, the edges and the DNS, each with the least it needs. "
        "Passwords are generated and shown once, or read from a file; Redis is given their digests."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--apply", action="store_true", help="make or change the users in Redis")
        parser.add_argument(
            "--node", action="append", help="this edge only, and nobody else (may be repeated)"
        )
        parser.add_argument(
            "--passwords", type=Path, metavar="FILE", help="lines of the form “user password”, one a user"
        )

    def handle(self, *, apply: bool, node: list[str] | None, passwords: Path | None, **options: Any) -> None:
        known = _read_passwords(passwords) if passwords else {}
        users = _users(node)
        secret = {user.name: known.get(user.name) or secrets.token_urlsafe(32) for user in users}
        if apply:
            self._apply(users, secret)
        else:
            for user in users:
                self.stdout.write(user.line(secret[user.name]))
        generated = [user.name for user in users if user.name not in known]
        if generated:
            self.stdout.write("\nGenerated passwords, shown only now:")
            for name in generated:
                self.stdout.write(f"{name} {secret[name]}")

    def _apply(self, users: list[RedisUser], secret: dict[str, str]) -> None:
        try:
            with reaching_redis() as client:
                for user in users:
                    rules = user.setuser(secret[user.name])
                    client.execute_command("ACL", "SETUSER", user.name, *rules)  # type: ignore[no-untyped-call]
        except RedisUnreachable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Redis knows {', '.join(user.name for user in users)}.")
        try:
            with reaching_redis() as client:
                client.acl_save()
        except RedisRefuses as error:
            self.stdout.write(f"A restart of Redis forgets them: {error} Give it an aclfile.")


def _users(nodes: list[str] | None) -> list[RedisUser]:
    edges = list(Node.objects.filter(is_edge=True).order_by("name").values_list("name", flat=True))
    if nodes is None:
        return redis_users(edges)
    unknown = set(nodes) - set(edges)
    if unknown:
        raise CommandError(f"No edge is called {', '.join(sorted(unknown))}.")
    return [user for user in redis_users(nodes) if user.name in {f"edge-{node}" for node in nodes}]


def _read_passwords(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text().split("\n")
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({error.strerror}).") from error
    pairs = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    if any(len(pair) != 2 for pair in pairs):
        raise CommandError(f"{path}: each line is a user and a password, with a space in between.")
    return dict(pairs)
