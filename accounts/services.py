"""What can be done with users. Nobody raises their own rights: only who has a right can hand it out."""

import secrets
from collections.abc import Collection, Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.utils import timezone

from accounts.errors import RightsTooWide
from accounts.models import Token, User
from accounts.roles import ROLES
from accounts.tokens import may_act_for


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


def check_may_touch(*, user: User | None, by: Any) -> None:
    """Raise `RightsTooWide` where somebody would change a person who may do more than they may."""
    if user is not None and user.pk and user.pk != by.pk and not may_act_for(by, user):
        raise RightsTooWide(f"{user} may do things that {by} may not; somebody with these rights must do it.")


def assignable_roles(*, by: Any) -> set[str]:
    """The groups, by name, whose every right this person has."""
    groups = Group.objects.prefetch_related("permissions__content_type")
    if by.is_superuser:
        return {group.name for group in groups}
    own = by.get_all_permissions()
    return {group.name for group in groups if _rights(group.permissions.all()) <= own}


@transaction.atomic
def user_set_roles(*, user: User, roles: Collection[str], by: Any) -> bool:
    """Put a person into exactly these groups; False where nothing changes.

    Who is in a role may enter the portal. Raises `RightsTooWide`.
    """
    held = set(user.groups.values_list("name", flat=True))
    moved = held ^ set(roles)
    if not moved:
        return False
    check_may_touch(user=user, by=by)
    if beyond := sorted(moved - assignable_roles(by=by)):
        raise RightsTooWide(f"{by} has not every right of the role {beyond[0]}.")
    user.groups.set(Group.objects.filter(name__in=roles))
    user_follow_roles(user=user)
    return True


def user_follow_roles(*, user: User) -> None:
    """Let a person into the portal where they are in a role; superusers stay as they are."""
    staff = user.is_superuser or user.groups.filter(name__in=ROLES).exists()
    if staff != user.is_staff:
        user.is_staff = staff
        user.save(update_fields=["is_staff"])


def user_tokens_revoke(*, user: User, by: str) -> int:
    """End every token of a person now; their number."""
    now = timezone.now()
    return Token.objects.filter(owner=user, revoked_at=None).update(revoked_at=now, revoked_by=by)


def _rights(permissions: Iterable[Permission]) -> set[str]:
    return {f"{right.content_type.app_label}.{right.codename}" for right in permissions}
