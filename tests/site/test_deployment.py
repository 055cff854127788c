"""Django's own checks of a deployment, with the settings of one."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PRODUCTION = {
    "CIRRUS_ENV_FILE": os.devnull,
    "CIRRUS_BEHIND_HTTPS": "true",
    "CIRRUS_ALLOWED_HOSTS": "portal.example.com",
    "CIRRUS_TRUSTED_ORIGINS": "https://portal.example.com",
    "DJANGO_SETTINGS_MODULE": "cirrus_site.settings",
}


def manage(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CIRRUS_")}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=plain | PRODUCTION | {"CIRRUS_VAR_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_deployment_has_no_warnings(tmp_path):
    done = manage("check", "--deploy", "--fail-level", "WARNING", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_all_static_files_can_be_collected_with_their_fingerprints(tmp_path):
    done = manage("collectstatic", "--noinput", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "static" / "cirrus_site").glob("icon.*.svg"))
