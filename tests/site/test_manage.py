"""What every command says when the database is not there."""

import pytest

from tests.servers import free_port
from tests.site.test_config import manage


@pytest.mark.parametrize("command", ["create_first_admin", "redis_acl", "sync_keyspace --check"])
def test_a_database_that_is_away_is_a_sentence(tmp_path, command):
    url = f"postgres://cirrus:s3cret@127.0.0.1:{free_port()}/cirrus"
    done = manage(*command.split(), DATABASE_URL=url, CIRRUS_VAR_DIR=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.lstrip().startswith("cirrus: the database cannot be used (")
    assert "Connection refused" in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr


def test_a_file_that_is_no_database_is_a_sentence(tmp_path):
    (tmp_path / "cirrus.sqlite3").write_text("prose")
    done = manage("migrate", CIRRUS_VAR_DIR=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.endswith("cirrus: the database cannot be used (file is not a database).\n")
    assert "Traceback" not in done.stderr


def test_a_database_without_tables_is_a_sentence(tmp_path):
    done = manage("create_first_admin", CIRRUS_VAR_DIR=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == "cirrus: the database cannot be used (no such table: accounts_user).\n"
