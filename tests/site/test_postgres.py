"""`python -m tests.postgres`: a PostgreSQL that exists for one command."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOOK = """
import os, sys, psycopg
url = os.environ["TEST_DATABASE_URL"]
with psycopg.connect(url, dbname="postgres") as connection:
    print(url, connection.execute("SHOW listen_addresses").fetchone()[0] or "nowhere")
sys.exit(7)
"""
LOOK_IN_A_WORKER = """
from django.conf import settings

def test_what_a_worker_has():
    assert settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
"""


def test_the_command_finds_a_database_gets_its_exit_code_through_and_leaves_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "tests.postgres", sys.executable, "-c", LOOK],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 7, done.stderr
    url, listens_on = done.stdout.split()
    assert listens_on == "nowhere"
    assert not Path(unquote(urlsplit(url).netloc.partition("@")[2])).exists()


def test_the_workers_of_the_tests_have_it_too(tmp_path):
    (tmp_path / "test_look.py").write_text(LOOK_IN_A_WORKER)
    words = ["pytest", "-q", "-n", "1", "-c", "pyproject.toml", str(tmp_path / "test_look.py")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.postgres", *words], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_without_a_command_it_says_how_it_is_used():
    done = subprocess.run([sys.executable, "-m", "tests.postgres"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("usage:")
