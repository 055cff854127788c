"""The configuration in a file, by `manage.py config_export` and `config_apply`."""

import io
import json

import pytest
import yaml
from django.core.management import CommandError, call_command

from accounts.sealing import open_sealed
from certificates.models import Authority
from configuration.errors import ConfigInvalid
from configuration.files import document_read
from dnszones.models import Secondary
from domains.models import Domain, Origin

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_file_is_written_planned_and_applied_by_commands(installation, tmp_path):
    for name in ("all.yaml", "all.json"):
        call_command("config_export", tmp_path / name)
        out = io.StringIO()
        call_command("config_apply", tmp_path / name, stdout=out)
        assert out.getvalue() == "Everything is so already.\n"
    assert json.loads((tmp_path / "all.json").read_text()) == yaml.safe_load(
        (tmp_path / "all.yaml").read_text()
    )
    file = tmp_path / "more.yaml"
    file.write_text(
        "version: 1\ndomains:\n- host: new.example.com\n  origins: [{host: 127.0.0.1, scheme: http}]\n"
    )
    out = io.StringIO()
    call_command("config_apply", file, "--plan", stdout=out)
    assert out.getvalue() == (
        "+ domains new.example.com\nNothing was done: 1 created, 0 changed, 0 removed.\n"
    )
    assert not Domain.objects.filter(host="new.example.com").exists()
    call_command("config_apply", file, stdout=out)
    assert Origin.objects.filter(domain__host="new.example.com").count() == 1


def test_the_command_shows_a_plan_of_too_much_and_applies_none_of_it(installation, tmp_path):
    file = tmp_path / "few.yaml"
    file.write_text("version: 1\ndomains: []\n")
    out = io.StringIO()
    call_command("config_apply", file, "--prune", "--plan", stdout=out)
    assert out.getvalue() == (
        "- domains off.example.com\n"
        "- domains www.example.com\n"
        "An apply would be refused. It would remove 2 of 2 domains, and at most 30% may go at once. "
        "Allow a greater share (--remove-share, remove_share) if this is meant.\n"
        "Nothing was done: 0 created, 0 changed, 2 removed.\n"
    )
    with pytest.raises(
        CommandError, match="Nothing was applied of the plan: 0 created, 0 changed, 2 removed"
    ):
        call_command("config_apply", file, "--prune")
    assert Domain.objects.count() == 2


def test_secrets_are_named_in_a_file_and_stand_elsewhere(installation, tmp_path, monkeypatch):
    (tmp_path / "key").write_text("c2VjcmV0\n")
    monkeypatch.setenv("NS2_KEY", "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4")
    file = tmp_path / "all.yaml"
    file.write_text(
        "version: 1\n"
        "authorities:\n"
        "- {name: new, directory_url: 'https://a.example/d', eab_kid: k, eab_key: {file: key}}\n"
        "secondaries:\n"
        "- {name: ns2, address: 192.0.2.53, tsig_name: a-key-of-its-own, tsig_secret: {env: NS2_KEY}}\n"
    )
    call_command("config_apply", file, stdout=io.StringIO())
    assert open_sealed(Authority.objects.get(name="new").eab_key, record="eab:new") == b"c2VjcmV0"
    sealed = Secondary.objects.get(name="ns2").tsig_secret
    out = io.StringIO()
    call_command("config_apply", file, stdout=out)
    assert out.getvalue() == "Everything is so already.\n"
    assert Secondary.objects.get(name="ns2").tsig_secret == sealed


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("plain", "does not stand here"),
        ("{env: NOT_THERE}", "nothing in the environment as NOT_THERE"),
        ("{file: not-there}", "cannot be read"),
        ("{env: A, file: b}", "does not stand here"),
    ],
)
def test_a_secret_that_cannot_be_had_is_named_by_its_path(keyspace, tmp_path, secret, said):
    file = tmp_path / "all.yaml"
    file.write_text(
        f"version: 1\nsecondaries: [{{name: n, address: 192.0.2.1, tsig_name: k, tsig_secret: {secret}}}]\n"
    )
    with pytest.raises(CommandError, match=said) as caught:
        call_command("config_apply", file)
    assert "secondaries[0].tsig_secret" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nversion: 1\n", "line 2: “version” stands here twice"),
        ("a: [", "line"),
        ("!!python/object/apply:os.system ['true']", "line 1"),
    ],
)
def test_a_file_that_is_no_yaml_is_refused_with_its_line(text, said):
    with pytest.raises(ConfigInvalid, match=said):
        document_read(text)
