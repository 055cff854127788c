"""Who runs a command about tokens, and which token they mean."""

import os
import pwd

from django.core.management.base import CommandError

from accounts.models import Token, User
from accounts.tokens import Issuer


def commander() -> Issuer:
    """Whoever runs this command: the system's user, who may do anything here."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        name = str(os.getuid())
    return Issuer(f"{name} (command)")


def named_user(name: str) -> User:
    """The user of that name. Raises `CommandError` with the names that there are."""
    user = User.objects.filter(username=name).first()
    if user:
        return user
    known = ", ".join(User.objects.order_by("username").values_list("username", flat=True)[:20]) or "none yet"
    raise CommandError(f"There is no user “{name}”. Users: {known}.")


def named_token(number: int) -> Token:
    """The token with this number. Raises `CommandError`."""
    token = Token.objects.select_related("owner").filter(pk=number).first()
    if token:
        return token
    raise CommandError(f"There is no token {number}; manage.py token_list shows all of them.")
