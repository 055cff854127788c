"""A keeper restarts what fails, and leaves stopped what was stopped. Real processes, no Django."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cirrus_site.demo import keeper
from tests.servers import eventually


class Kept:
    """A keeper of a shell script, and what it says about it."""

    def __init__(self, folder: Path, script: str) -> None:
        self.folder = folder
        self.manager = subprocess.Popen(["sleep", "600"])
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-I", keeper.__file__, "--name", "it"),
                *("--state", str(folder / "it.json"), "--log", str(folder / "it.log")),
                *("--manager", str(self.manager.pid), "--", "sh", "-c", script),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )

    def state(self) -> dict[str, Any]:
        return json.loads((self.folder / "it.json").read_text())

    def reaches(self, state: str) -> dict[str, Any]:
        """Wait until the process is in this state."""
        eventually(lambda: self.state()["state"] == state)
        return self.state()

    def running_other_than(self, pid: int) -> int:
        """Wait until another process than `pid` runs."""
        eventually(lambda: self.state()["state"] == "running" and self.state()["pid"] != pid)
        return int(self.state()["pid"])

    def close(self) -> str:
        """End the keeper; what it has printed."""
        self.process.terminate()
        output, _ = self.process.communicate(timeout=10)
        self.manager.kill()
        self.manager.wait()
        return output


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Callable[[str], Kept]]:
    started: list[Kept] = []

    def begin(script: str) -> Kept:
        started.append(Kept(tmp_path, script))
        return started[-1]

    yield begin
    for kept in started:
        if kept.process.returncode is None:
            kept.close()


def alive(pid: int) -> bool:
    """Whether a process exists and is not just waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_process_is_started_again_and_the_keeper_says_so(keep):
    kept = keep("exec sleep 600")
    pid = kept.reaches("running")["pid"]
    os.kill(pid, signal.SIGKILL)
    kept.running_other_than(pid)
    assert kept.close() == "it was killed by SIGKILL; it is started again in 0.5 s.\n"


def test_a_process_that_fails_again_and_again_waits_longer_each_time(keep):
    kept = keep("exit 3")
    eventually(lambda: "in 1 s" in kept.state()["why"])
    lines = kept.close().splitlines()
    assert lines[:2] == [
        "it exited with status 3; it is started again in 0.5 s.",
        "it exited with status 3; it is started again in 1 s.",
    ]


def test_the_pause_is_bounded_and_begins_anew_after_a_steady_run():
    assert keeper.next_pause(8, ran_for=0.1) == 10
    assert keeper.next_pause(10, ran_for=0.1) == 10
    assert keeper.next_pause(10, ran_for=10) == 0.5


@pytest.mark.parametrize("way", ["by SIGTERM", "of its own accord"])
def test_a_stopped_process_stays_stopped_until_it_is_started(keep, tmp_path, way):
    done = shlex.quote(str(tmp_path / "done"))
    kept = keep(f"while [ ! -e {done} ]; do sleep 0.02; done")
    pid = kept.reaches("running")["pid"]
    if way == "by SIGTERM":
        os.kill(pid, signal.SIGTERM)
    else:
        (tmp_path / "done").touch()
    assert kept.reaches("stopped")["why"] == "it was stopped; `just start it` starts it again"
    (tmp_path / "done").unlink(missing_ok=True)
    kept.process.send_signal(signal.SIGUSR2)
    kept.running_other_than(pid)


def test_an_order_to_stop_is_obeyed_and_undone(keep):
    kept = keep("exec sleep 600")
    pid = kept.reaches("running")["pid"]
    kept.process.send_signal(signal.SIGUSR1)
    assert kept.reaches("stopped")["pid"] == 0
    assert not alive(pid)
    kept.process.send_signal(signal.SIGUSR2)
    kept.running_other_than(0)


def test_what_a_killed_process_leaves_behind_is_ended_before_it_starts_again(keep, tmp_path):
    kept = keep(f"sleep 600 & echo $! >> {shlex.quote(str(tmp_path / 'left'))}; wait")
    pid = kept.reaches("running")["pid"]
    left = int(eventually(lambda: (tmp_path / "left").read_text()))
    os.kill(pid, signal.SIGKILL)
    kept.running_other_than(pid)
    assert not alive(left)


def test_a_process_that_ignores_sigterm_is_killed_in_the_end(keep):
    kept = keep("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    pid = kept.reaches("running")["pid"]
    eventually(lambda: "ready" in (kept.folder / "it.log").read_text())
    output = kept.close()
    assert "did not stop within 3.5 s and is killed" in output
    assert not alive(pid)


def test_the_death_of_the_manager_ends_everything(keep):
    kept = keep("exec sleep 600")
    pid = kept.reaches("running")["pid"]
    kept.manager.kill()
    kept.manager.wait()
    assert kept.process.wait(timeout=10) == 0
    assert not alive(pid)


def test_the_death_of_the_keeper_ends_its_process(keep):
    kept = keep("exec sleep 600")
    pid = kept.reaches("running")["pid"]
    kept.process.kill()
    eventually(lambda: not alive(pid))


def test_what_the_process_prints_is_in_the_log(keep):
    kept = keep("echo out; echo err >&2; exec sleep 600")
    eventually(lambda: (kept.folder / "it.log").read_text() == "out\nerr\n")


def test_a_log_is_cut_and_one_older_piece_is_kept(tmp_path):
    log = keeper.Log(tmp_path / "it.log", limit=10)
    for text in (b"first 1\n", b"second\n", b"third\n"):
        log.write(text)
    assert (tmp_path / "it.log").read_text() == "third\n"
    assert (tmp_path / "it.log.1").read_text() == "second\n"


def test_a_command_that_does_not_exist_is_a_sentence(tmp_path):
    manager = subprocess.Popen(["sleep", "600"])
    process = subprocess.Popen(
        [
            *(sys.executable, "-I", keeper.__file__, "--name", "it", "--manager", str(manager.pid)),
            *("--state", str(tmp_path / "it.json"), "--log", str(tmp_path / "it.log"), "--", "/nowhere/it"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == (
        "it cannot be started (No such file or directory); it is started again in 0.5 s.\n"
    )
    manager.kill()
    manager.wait()
    process.communicate(timeout=10)
