"""What the documentation names exists: files, verbs, commands, settings."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands

from cirrus_site.config import BASE_DIR, SECRET_FIELDS, Config, environment_name

PAGES = [*BASE_DIR.glob("*.md"), *(BASE_DIR / "docs").rglob("*.md")]
SETTINGS = {environment_name(field) for field in Config.model_fields}
KNOWN = SETTINGS | {f"{environment_name(field)}_FILE" for field in SECRET_FIELDS} | {"CIRRUS_ENV_FILE"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@every_page
def test_a_link_leads_to_a_file(page: Path):
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@every_page
def test_a_verb_is_one_of_the_justfile(page: Path):
    just = Path(sys.executable).with_name("just")
    shown = subprocess.run([just, "--summary"], cwd=BASE_DIR, capture_output=True, text=True, check=True)
    used = set(re.findall(r"`(?:just|\./dev) ([a-z]+)", page.read_text()))
    assert used <= set(shown.stdout.split())


@every_page
def test_a_command_is_one_of_django_or_ours(page: Path):
    assert set(re.findall(r"manage\.py ([a-z_]+)", page.read_text())) <= set(get_commands())


@every_page
def test_a_setting_is_one_of_cirrus(page: Path):
    used = set(re.findall(r"\b(?:CIRRUS_[A-Z_]*[A-Z]|DATABASE_URL\w*|REDIS_URL\w*)\b(?!_)", page.read_text()))
    assert used <= KNOWN


@every_page
def test_a_file_of_ours_that_is_named_exists(page: Path):
    for name in re.findall(r"`((?:edge|cirrus_site|tests|docs|docker)/[\w./-]+)`", page.read_text()):
        if not name.startswith("docker/secrets"):
            assert (BASE_DIR / name).exists(), name
