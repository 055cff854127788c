"""What can be done with users."""

import secrets

from django.db import transaction

from accounts.models import User


def first_admin_create(*, username: str) -> str | None:
    """Make the first superuser and return its generated password, which is stored as a hash only.

    None where a superuser exists already: nothing is changed then, and nobody gets a second way in.
    """
    with transaction.atomic():
        if User.objects.filter(is_superuser=True).exists():
            return None
        password = secrets.token_urlsafe(15)
        User.objects.create_superuser(username, password=password)
    return password
