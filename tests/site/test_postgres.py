"""`python -m tests.postgres`: a PostgreSQL that exists for one command."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOOK = """
import os, sys, psycopg
url = os.environ["CIRRUS_TEST_DATABASE_URL"]
with psycopg.connect(url, dbname="postgres") as connection:
    print(url, connection.execute("SHOW listen_addresses").fetchone()[0] or "nowhere")
sys.exit(7)
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


def test_without_a_command_it_says_how_it_is_used():
    done = subprocess.run([sys.executable, "-m", "tests.postgres"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("usage:")
