"""Who may do what to whom. Alice is a superuser; Bob may manage users, and no more."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return User.objects.create_superuser("alice", password="of-alice")


@pytest.fixture
def bob():
    bob = User.objects.create_user("bob", password="of-bob", is_staff=True)
    names = ["view_user", "change_user", "delete_user", "view_group", "change_group"]
    bob.user_permissions.set(Permission.objects.filter(codename__in=names))
    return bob


def change(user: User) -> str:
    return reverse("admin:accounts_user_change", args=[user.pk])


def test_passwords_are_hashed_by_argon2(alice):
    assert alice.password.startswith("argon2$argon2id$")


def test_nobody_raises_their_own_rights(client, bob):
    client.force_login(bob)
    client.post(change(bob), {"username": "bob", "is_active": "on", "is_staff": "on", "is_superuser": "on"})

    bob.refresh_from_db()
    assert not bob.is_superuser


def test_only_a_superuser_touches_a_superuser(client, alice, bob):
    client.force_login(bob)
    client.post(change(alice), {"username": "owned", "is_active": "on"})
    new = {"password1": "of-bob-now", "password2": "of-bob-now", "usable_password": "true"}
    password = client.post(reverse("admin:auth_user_password_change", args=[alice.pk]), new)
    client.post(reverse("admin:accounts_user_delete", args=[alice.pk]), {"post": "yes"})

    assert password.status_code == 403
    alice.refresh_from_db()
    assert alice.username == "alice"
    assert alice.check_password("of-alice")


def test_a_superuser_gives_rights(client, alice, bob):
    client.force_login(alice)
    client.post(change(bob), {"username": "bob", "is_active": "on", "is_staff": "on", "is_superuser": "on"})

    bob.refresh_from_db()
    assert bob.is_superuser


def test_the_rights_of_a_group_are_for_superusers_to_write(client, bob):
    client.force_login(bob)

    assert client.get(reverse("admin:auth_group_add")).status_code == 403


def test_the_sidebar_shows_only_what_one_may_see(client, bob):
    client.force_login(bob)
    page = client.get(reverse("admin:index")).content.decode()

    assert reverse("admin:accounts_user_changelist") in page
    assert reverse("admin:domains_domain_changelist") not in page
