"""The container files, as far as they can be checked without a container engine."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from cirrus_site.config import BASE_DIR, SECRET_FIELDS, Config, environment_name, read_config

DOCKER = BASE_DIR / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
SECRET_NAMES = {f"{environment_name(field)}_FILE" for field in SECRET_FIELDS}
SETTINGS = {environment_name(field) for field in Config.model_fields}
ONCE, ALONE = "prepare", "beat"  # the two without a health check: one ends, one has no port and no peer


def instructions(path: Path) -> list[tuple[str, str]]:
    """(instruction, its arguments) of a Dockerfile, continuation lines joined."""
    text = path.read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def image_settings(path: Path) -> dict[str, str]:
    pairs = [word for name, rest in instructions(path) if name == "ENV" for word in rest.split()]
    return dict(pair.split("=", 1) for pair in pairs)


def has_a_version(image: str) -> bool:
    return bool(re.fullmatch(r"[a-z0-9./-]+:(?!latest)[a-z0-9.-]*[0-9][a-z0-9.-]*", image))


def test_compose_mirrors_what_just_up_runs():
    assert set(SERVICES) == {
        *("postgres", "redis", "prepare", "web", "worker", "beat"),
        *("edge-1", "edge-2", "dns-primary"),
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_has_a_version_restarts_and_says_whether_it_works(name):
    service = SERVICES[name]
    assert has_a_version(service["image"])
    assert service["restart"] in {"unless-stopped", "on-failure"}
    assert ("healthcheck" in service) is (name not in {ONCE, ALONE})


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_a_service_refers_to_exists(name):
    service = SERVICES[name]
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    if "build" in service:
        assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", [name for name in sorted(SERVICES) if "build" in SERVICES[name]])
def test_every_setting_of_a_service_is_one_of_cirrus_and_every_secret_is_a_file(name):
    for setting, value in SERVICES[name]["environment"].items():
        assert setting in SETTINGS | SECRET_NAMES
        if setting in SECRET_NAMES:
            assert value.removeprefix("/run/secrets/") in SERVICES[name]["secrets"]
        else:
            assert f"{setting}_FILE" not in SECRET_NAMES
            read_config({setting: value})


def test_no_password_is_on_a_command_line():
    for service in SERVICES.values():
        assert "--requirepass" not in str(service.get("command"))


def test_every_command_of_ours_exists():
    texts = [str(service.get("command", "")) for service in SERVICES.values()]
    used = set(re.findall(r"manage\.py (\w+)", " ".join(texts)))
    assert {"migrate", "create_first_admin"} <= used <= set(get_commands())


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_a_dockerfile_copies_what_exists_runs_pinned_images_and_not_as_root(path):
    steps = instructions(path)
    assert all(has_a_version(rest.split()[0]) for name, rest in steps if name == "FROM")
    for name, rest in steps:
        assert name != "ADD"
        if name == "COPY" and not rest.startswith("--from"):
            *sources, _target = rest.split()
            assert all((BASE_DIR / source).exists() for source in sources)
        if name == "RUN" and "apt-get install" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists/*" in rest
    assert [rest for name, rest in steps if name == "USER"][-1:] == ["cirrus"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_holds_every_app_and_valid_settings(path):
    copied = {word for name, rest in instructions(path) if name == "COPY" for word in rest.split()}
    apps = {folder.parent.name for folder in BASE_DIR.glob("*/apps.py")}
    assert apps <= copied
    assert apps <= {line[1:] for line in (BASE_DIR / ".dockerignore").read_text().splitlines()}
    read_config({name: value for name, value in image_settings(path).items() if name.startswith("CIRRUS_")})


def test_the_secrets_that_compose_names_are_generated_once(tmp_path):
    script = tmp_path / "make-secrets"
    script.write_text((DOCKER / "make-secrets").read_text())
    script.chmod(0o755)
    subprocess.run([script], check=True, capture_output=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert {f"./secrets/{name}" for name in made} == {each["file"] for each in COMPOSE["secrets"].values()}
    assert made["redis_password"].strip() in made["redis_url"]
    read_config({"DATABASE_URL": made["database_url"].strip(), "REDIS_URL": made["redis_url"].strip()})
    read_config({"CIRRUS_SEALING_KEYS": made["sealing_keys"].strip()})
    assert os.stat(tmp_path / "secrets").st_mode & 0o077 == 0
    subprocess.run([script], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made
