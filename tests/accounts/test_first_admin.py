"""The first superuser: made once, with a password that nobody else has."""

from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command

from accounts.models import User
from accounts.services import first_admin_create

pytestmark = pytest.mark.django_db


def run() -> str:
    output = StringIO()
    call_command("create_first_admin", stdout=output)
    return output.getvalue()


def test_the_password_is_shown_and_lets_in():
    line = run().splitlines()[0]
    assert line.startswith("First admin: user admin, password ")
    admin = authenticate(username="admin", password=line.rpartition(" ")[2])
    assert admin is not None
    assert admin.is_superuser
    assert admin.is_staff


def test_a_second_call_makes_nobody_and_shows_no_password():
    run()
    before = User.objects.get()
    assert run() == "There is a superuser already; none was made.\n"
    assert User.objects.get().password == before.password


def test_an_ordinary_user_is_no_reason_to_make_none():
    User.objects.create_user("reader", password="x")
    assert first_admin_create(username="root")


def test_no_two_installations_share_a_password():
    first = first_admin_create(username="a")
    User.objects.all().delete()
    assert first_admin_create(username="a") != first
