"""Several beats: one leads, and another takes over."""

import os
import signal
import subprocess
import sys

import pytest
from django.db import connection

from cirrus_site.beat import LEASE
from edge import keyspace as names
from tests.servers import ROOT, eventually


class Beat:
    """A running `celery beat`."""

    def __init__(self, environment, log):
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "cirrus_site", "beat", "--loglevel=INFO", "--pidfile="],
            cwd=ROOT,
            env=environment,
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
        )

    def has_led(self):
        return "this beat leads" in self.log.read_text()

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait(timeout=30)


@pytest.fixture
def start(keyspace, transactional_db, tmp_path):
    """`start()`: one more beat, with the database of the tests and the Redis of this one."""
    assert connection.vendor == "sqlite"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "cirrus_site.settings",
        "CIRRUS_VAR_DIR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
        "REDIS_URL": f"redis://127.0.0.1:{keyspace.port}",
    }
    beats = []

    def one():
        beats.append(Beat(environment, tmp_path / f"beat-{len(beats)}.log"))
        return beats[-1]

    yield one
    for beat in beats:
        beat.process.kill()
        beat.process.wait()


def holder(keyspace):
    return keyspace.client.get(names.BEAT_LOCK)


def test_of_several_beats_one_leads_and_another_takes_over(keyspace, start):
    first = start()
    eventually(first.has_led, within=30)
    mine = holder(keyspace)
    second, third = start(), start()
    keyspace.client.delete("celery:celery")
    eventually(lambda: keyspace.client.pttl(names.BEAT_LOCK) > (LEASE - 1) * 1000, within=30)  # renewed
    assert holder(keyspace) == mine
    first.end(signal.SIGTERM)
    eventually(lambda: second.has_led() or third.has_led(), within=30)
    assert not (second.has_led() and third.has_led())
    leader, waiting = (second, third) if second.has_led() else (third, second)
    mine = holder(keyspace)
    leader.end(signal.SIGKILL)
    assert holder(keyspace) == mine
    assert 0 < keyspace.client.pttl(names.BEAT_LOCK) <= LEASE * 1000
    keyspace.client.pexpire(names.BEAT_LOCK, 1)  # as if that time had passed
    eventually(waiting.has_led, within=30)
    assert holder(keyspace) not in (mine, None)
