"""Tokens by commands: the secret goes to stdout alone, and mistakes are told in a sentence."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Token, User
from accounts.token_secrets import digest_of, is_well_formed

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def olga():
    return User.objects.create_user("olga")


def run(*arguments: str) -> tuple[str, str]:
    """What a command wrote: stdout and stderr."""
    out, err = StringIO(), StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def create(*arguments: str) -> str:
    return run("token_create", "olga", "ci", "--scope", "purges:write", *arguments)[0].strip()


def test_the_secret_alone_is_on_stdout():
    out, err = run("token_create", "olga", "ci", "--scope", "purges:write", "--days", "30")
    token = Token.objects.get()
    assert is_well_formed(out.strip())
    assert token.digest == digest_of(out.strip())
    assert err.startswith(f"Token {token.pk} “ci” of olga, until ")
    assert out.strip() not in err
    assert token.created_by.endswith(" (command)")


def test_it_may_be_limited_in_every_way():
    create("--domain", "WWW.example.com", "--network", "192.0.2.7/24", "--unused-days", "9", "--days", "0")
    token = Token.objects.get()
    assert (token.domains, token.networks) == (["www.example.com"], ["192.0.2.0/24"])
    assert (token.max_unused_days, token.expires_at) == (9, None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["token_create", "tom", "ci", "--scope", "purges:write"], "There is no user “tom”. Users: olga."),
        (["token_create", "olga", "ci"], "A token without a scope could do nothing."),
        (["token_create", "olga", "ci", "--scope", "purge:write"], "There is no scope “purge:write”."),
        (["token_create", "olga", "ci", "--scope", "purges:write", "--network", "x"], "“x” is no network"),
        (
            ["token_create", "olga", "ci", "--scope", "purges:write", "--domain", "a b"],
            "“a b” is no host name",
        ),
        (["token_revoke"], "Name the tokens by their numbers, or all of a user by --user."),
        (["token_revoke", "77"], "There is no token 77; manage.py token_list shows all of them."),
        (["token_rotate", "77"], "There is no token 77"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(arguments, sentence):
    with pytest.raises(CommandError) as refusal:
        call_command(*arguments)
    assert sentence in str(refusal.value)


def test_the_list_shows_tokens_and_no_secret():
    secret = create()
    revoked = create()
    run("token_revoke", str(Token.objects.get(digest=digest_of(revoked)).pk))
    out, _ = run("token_list")
    assert f"{secret[:11]}…{secret[-4:]}" in out
    assert secret not in out
    assert revoked[-4:] not in out
    assert revoked[-4:] in run("token_list", "--all", "--user", "olga")[0]


def test_revoking_says_what_was_done():
    create()
    token = Token.objects.get()
    assert run("token_revoke", str(token.pk))[0] == f"Revoked {token}.\n"
    assert run("token_revoke", str(token.pk))[0] == f"Was revoked already: {token}.\n"
    create()
    assert run("token_revoke", "--user", "olga")[0] == "Revoked 1 of olga's tokens.\n"


def test_rotating_gives_a_new_secret_and_an_end_to_the_old_one():
    create("--days", "0")
    old = Token.objects.get()
    out, err = run("token_rotate", str(old.pk), "--overlap", "1")
    old.refresh_from_db()
    assert old.successor and old.successor.digest == digest_of(out.strip())
    assert old.expires_at
    assert f"follows token {old.pk}, which ends " in err
    with pytest.raises(CommandError, match="rotated before"):
        run("token_rotate", str(old.pk))
