"""What the environment may say, and what stops the boot."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cirrus_site.config import BASE_DIR, generate_secret, make_var_dir, read_config, read_env_file
from cirrus_site.errors import ConfigurationError


def test_an_empty_environment_gives_the_defaults():
    config = read_config({})
    assert config.web_port == 8000
    assert config.var_dir == BASE_DIR / "var"
    assert not config.debug


def test_names_of_other_programs_are_none_of_our_business():
    assert read_config({"PATH": "/bin", "HOME": "/root"}) == read_config({})


@pytest.mark.parametrize("text", ["a.example b.example", "a.example,b.example", "a.example, b.example"])
def test_a_list_is_separated_by_spaces_or_commas(text):
    assert read_config({"CIRRUS_ALLOWED_HOSTS": text}).allowed_hosts == ["a.example", "b.example"]


def test_a_relative_folder_counts_from_the_checkout():
    assert read_config({"CIRRUS_VAR_DIR": "elsewhere"}).var_dir == BASE_DIR / "elsewhere"


def test_a_secret_comes_from_a_file_without_its_newline(tmp_path):
    (tmp_path / "url").write_text("redis://:pw@10.0.0.1:6379\n")
    assert read_config({"REDIS_URL_FILE": str(tmp_path / "url")}).redis_url == "redis://:pw@10.0.0.1:6379"


def test_the_value_itself_wins_over_its_file(tmp_path):
    (tmp_path / "key").write_text("from the file")
    environment = {"CIRRUS_SECRET_KEY_FILE": str(tmp_path / "key"), "CIRRUS_SECRET_KEY": "given"}
    assert read_config(environment).secret_key == "given"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("CIRRUS_WEB_PROT", "8000", "CIRRUS_WEB_PROT is not a setting of Cirrus; .env.example lists"),
        ("CIRRUS_WEB_PORT_FILE", "/x", "CIRRUS_WEB_PORT_FILE is not a setting of Cirrus"),
        ("CIRRUS_WEB_PORT", "eighty", "CIRRUS_WEB_PORT: Input should be a valid integer"),
        ("CIRRUS_WEB_PORT", "0", "CIRRUS_WEB_PORT: Input should be greater than or equal to 1."),
        (
            "CIRRUS_WEB_BIND",
            "localhost",
            "CIRRUS_WEB_BIND: 'localhost' does not appear to be an IPv4 or IPv6",
        ),
        ("CIRRUS_PURGE_PER_SECOND", "nan", "CIRRUS_PURGE_PER_SECOND: Input should be"),
        ("CIRRUS_VANTAGE_POINTS", "local Frankfurt", "CIRRUS_VANTAGE_POINTS: 'Frankfurt' is not a name"),
        ("CIRRUS_VANTAGE_POINTS", "a b a", "CIRRUS_VANTAGE_POINTS: it names a vantage point twice."),
        ("CIRRUS_HEALTH_TIMEOUT", "5", "it must be less than CIRRUS_HEALTH_INTERVAL."),
        ("CIRRUS_DNS_BIND", "ns.example:53", "CIRRUS_DNS_BIND: 'ns.example' does not appear to be"),
        ("CIRRUS_SEALING_KEYS", "main:c2hvcnQ=", "the key “main” has 5 bytes; 32 are needed."),
        ("CIRRUS_SEALING_KEYS", "main:?", "the key “main” is not base64."),
        ("CIRRUS_SEALING_KEYS", "secret", "it is ID:BASE64 of each key"),
        ("CIRRUS_MASTER_TOKEN", "short", "it needs 32 printable ASCII characters or more, without spaces."),
        ("CIRRUS_CORS_ORIGINS", "https://x.example/y", "'https://x.example/y' is no origin"),
        ("CIRRUS_TRUSTED_PROXIES", "10.0.0.1/8", "CIRRUS_TRUSTED_PROXIES: 10.0.0.1/8 has host bits set."),
        ("CIRRUS_DEBUG", "perhaps", "CIRRUS_DEBUG: Input should be a valid boolean"),
        ("CIRRUS_ORIGIN_ALLOW", "10.0.0.1/8", "CIRRUS_ORIGIN_ALLOW: 10.0.0.1/8 has host bits set."),
        (
            "CIRRUS_EDGE_RESOLVERS",
            "dns.example",
            "CIRRUS_EDGE_RESOLVERS: 'dns.example' does not appear to be",
        ),
        ("CIRRUS_RESOLVERS", "192.0.2.1:x", "CIRRUS_RESOLVERS: "),
        ("CIRRUS_CERTIFICATE_PARALLEL", "0", "CIRRUS_CERTIFICATE_PARALLEL: Input should be greater than"),
        ("CIRRUS_EDGE_KEYS", "main", "CIRRUS_EDGE_KEYS: it is ID:BASE64 of each key"),
        ("CIRRUS_EDGE_UNKNOWN_SNI", "perhaps", "CIRRUS_EDGE_UNKNOWN_SNI: Input should be"),
        ("CIRRUS_EDGE_CACHE_SIZE", "0g", "CIRRUS_EDGE_CACHE_SIZE: String should match"),
        ("CIRRUS_TIME_ZONE", "Mars/Phobos", "CIRRUS_TIME_ZONE: 'Mars/Phobos' is not a time zone."),
        ("CIRRUS_DEMO_STATUS_PORTS", "9145", "it needs as many ports as CIRRUS_DEMO_EDGE_PORTS has."),
        (
            "CIRRUS_DEMO_EDGE_PORTS",
            "8081 99999",
            "CIRRUS_DEMO_EDGE_PORTS: Input should be less than or equal",
        ),
        (
            "DATABASE_URL",
            "mysql://x/y",
            "DATABASE_URL: it must begin with sqlite://, postgres://, postgresql://.",
        ),
        ("REDIS_URL", "http://x", "REDIS_URL: it must begin with redis://, rediss://, unix://."),
        ("REDIS_URL_FILE", "/nowhere/url", "REDIS_URL_FILE: /nowhere/url cannot be read (No such file"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(name, value, sentence):
    with pytest.raises(ConfigurationError) as refusal:
        read_config({name: value})
    assert sentence in str(refusal.value)
    assert str(refusal.value).endswith(".")


def test_a_wrong_setting_stops_the_boot_without_a_stack_trace():
    done = manage("check", CIRRUS_WEB_PORT="eighty")
    assert done.returncode == 1
    assert done.stderr.startswith("cirrus: CIRRUS_WEB_PORT: ")
    assert "Traceback" not in done.stderr


def test_a_command_beside_the_demo_sees_the_settings_of_the_demo(tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "settings.env").write_text("CIRRUS_ORIGIN_ALLOW=127.0.0.0/8\nCIRRUS_WEB_WORKERS=3\n")
    done = manage(
        *("shell", "--no-imports", "-c"),
        "from django.conf import settings; print(settings.CIRRUS.origin_allow, settings.CIRRUS.web_workers)",
        CIRRUS_VAR_DIR=str(tmp_path),
        CIRRUS_WEB_WORKERS="4",
    )
    assert done.stdout == "['127.0.0.0/8'] 4\n", done.stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"REDIS_URLL=redis://x\n", "REDIS_URLL in {path} is not a setting of Cirrus; .env.example lists"),
        (b"CIRRUS_DEBUG=0\na line of prose\n", "{path}, line 2: it is not NAME=value."),
        (b"CIRRUS_SECRET_KEY=\xff\n", "{path} cannot be read (it is not UTF-8)."),
    ],
)
def test_a_file_of_settings_that_cannot_be_meant_is_refused_with_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "env"
    path.write_bytes(text)
    done = manage("check", CIRRUS_ENV_FILE=str(path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"cirrus: {sentence.format(path=path)}")


def test_a_file_of_settings_gives_them_and_may_have_comments(tmp_path):
    path = tmp_path / "env"
    path.write_text("# ours\n\nexport CIRRUS_WEB_PORT=8001 # for now\nREDIS_URL_FILE='/x y'\n")
    assert read_env_file(path) == {"CIRRUS_WEB_PORT": "8001", "REDIS_URL_FILE": "/x y"}
    assert read_env_file(tmp_path / "missing") == {}


@pytest.mark.parametrize("name", ["CIRRUS_ENV_FILE", "CIRRUS_VAR_DIR"])
def test_a_path_that_cannot_be_used_stops_the_boot_with_a_sentence(name):
    done = manage("check", **{name: "/dev/null/x"})
    assert done.returncode == 1
    assert done.stderr.startswith(f"cirrus: {name}: /dev/null/x cannot be ")
    assert "Traceback" not in done.stderr


def test_a_folder_of_somebody_else_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ConfigurationError, match="CIRRUS_VAR_DIR: this user .* may not read and write"):
        make_var_dir(read_config({"CIRRUS_VAR_DIR": str(tmp_path)}))


def test_a_generated_secret_stays_and_is_its_owners_alone(tmp_path):
    config = read_config({"CIRRUS_VAR_DIR": str(tmp_path)})
    first = generate_secret(config, "key")
    assert len(first) > 40
    assert generate_secret(config, "key") == first
    assert stat.S_IMODE((tmp_path / "secrets" / "key").stat().st_mode) == 0o600


def manage(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py with these settings and no others of Cirrus."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CIRRUS_")}
    for name in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, str(Path(BASE_DIR) / "manage.py"), *arguments],
        env={**environment, "CIRRUS_ENV_FILE": os.devnull, **settings},
        capture_output=True,
        text=True,
        timeout=60,
    )
