"""Tokens in the portal: a secret is on one page, once. Olga is an operator."""

import re

import pytest
from django.urls import reverse

from accounts.models import Token
from accounts.token_secrets import digest_of
from tests.api.conftest import secret_for, user_with
from tests.pages import sentences_of

pytestmark = pytest.mark.django_db
ADD = reverse("admin:accounts_token_add")
SECRET = re.compile(r"cirrus_[0-9A-Za-z]{49}")
FORM = {"name": "ci", "scopes": ["purges:write"], "domains": "www.example.com", "networks": "192.0.2.7/24"}


def page(name: str, token: Token) -> str:
    return reverse(f"admin:accounts_token_{name}", args=[token.pk])


@pytest.fixture
def olga(client, keyspace):
    """Olga, logged in."""
    user = user_with("operator")
    client.force_login(user)
    return user


def test_the_secret_is_on_the_page_after_adding_and_never_again(client, olga):
    shown = client.post(ADD, FORM)
    secret = SECRET.search(shown.content.decode())[0]
    token = Token.objects.get(digest=digest_of(secret))
    assert "no-store" in shown["Cache-Control"]
    assert (token.owner, token.created_by) == (olga, "operator")
    assert (token.domains, token.networks) == (["www.example.com"], ["192.0.2.0/24"])
    again = client.get(page("change", token)).content.decode()
    assert not SECRET.search(again)
    assert token.hint in again


def test_what_cannot_be_meant_is_told_beside_its_field(client, olga):
    answer = client.post(ADD, {**FORM, "networks": "here"})
    assert sentences_of(answer) == ["“here” is no network: 192.0.2.0/24, 2001:db8::/32."]
    assert not Token.objects.exists()


def test_a_change_keeps_the_secret(client, olga):
    secret = secret_for(olga, ["purges:write"])
    token = Token.objects.get()
    answer = client.post(page("change", token), {**FORM, "name": "new"})
    assert answer.status_code == 302, sentences_of(answer)
    token.refresh_from_db()
    assert (token.name, token.digest) == ("new", digest_of(secret))


def test_a_link_asks_before_it_rotates_or_revokes(client, olga):
    secret_for(olga)
    token = Token.objects.get()
    for verb in ("rotate_now", "revoke_now"):
        assert client.get(page(verb, token)).status_code == 200
    token.refresh_from_db()
    assert token.revoked_at is None
    assert Token.objects.count() == 1
    shown = client.post(page("rotate_now", token)).content.decode()
    assert Token.objects.filter(digest=digest_of(SECRET.search(shown)[0])).exists()
    client.post(page("revoke_now", token))
    token.refresh_from_db()
    assert token.revoked_by == "operator"


def test_somebody_elses_token_is_not_there(client, olga):
    secret_for(user_with("superuser"))
    token = Token.objects.get()
    assert client.get(page("change", token)).status_code == 302
    assert client.post(page("rotate_now", token)).status_code == 403
    assert token.hint not in client.get(reverse("admin:accounts_token_changelist")).content.decode()


def test_nobody_gets_a_token_for_a_person_who_may_do_more(client, keyspace):
    client.force_login(user_with("administrator"))
    boss = user_with("superuser")
    refused = client.post(ADD, {**FORM, "owner": boss.pk})
    assert sentences_of(refused)
    assert not Token.objects.exists()
    client.post(ADD, {**FORM, "owner": user_with("operator").pk})
    assert Token.objects.get().owner.username == "operator"
