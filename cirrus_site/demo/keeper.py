"""Keeps one process running: restarts it when it fails, leaves it stopped when it was stopped.

    python -I keeper.py --name redis --state FILE --log FILE --manager PID -- COMMAND …

A process that exits with status 0, or by SIGTERM or SIGINT, was stopped by somebody: that stands
until SIGUSR2 starts it again. Every other end is a failure, and it is started again after a pause
that doubles from 0.5 to 10 s and begins anew once it has run for 10 s.

    SIGUSR1  stop the process, stay        SIGTERM, SIGINT  stop the process and end
    SIGUSR2  start the process             (the manager's death does the same)

What the process prints goes to the log, which is cut at 5 MB (one older piece is kept). The state
file is JSON: `{"name", "keeper", "pid", "state", "why", "since"}`, with `state` one of `running`,
`stopped`, `waiting`, `ended`. This file is a program of its own with nothing but the standard library,
so that seven of them start at once and stay small.
"""

import argparse
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

PAUSE_FIRST, PAUSE_LONGEST = 0.5, 10.0
STEADY = 10.0
#: Honcho kills what has not ended 5 s after its SIGTERM; we are done before.
GRACE = 3.5
LOG_BYTES = 5_000_000

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
CLEAN_ENDS = {0, -signal.SIGTERM, -signal.SIGINT}


def prctl(option: int, value: int) -> None:
    """Linux's prctl(2) for options that take one number."""
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def next_pause(previous: float, *, ran_for: float) -> float:
    """Seconds to wait before a failed process is started again; `previous` is 0 at the first failure."""
    if ran_for >= STEADY or not previous:
        return PAUSE_FIRST
    return min(previous * 2, PAUSE_LONGEST)


def reason(status: int) -> str:
    """How a process ended, in words: `status` is negative for a signal."""
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"exited with status {status}"


class Log:
    """A file that grows to `limit` bytes, then becomes FILE.1 and begins anew."""

    def __init__(self, path: Path, limit: int = LOG_BYTES) -> None:
        self.path, self.limit = path, limit
        self.file = self._open()

    def _open(self) -> BinaryIO:
        return open(self.path, "ab", buffering=0)

    def write(self, data: bytes) -> None:
        """Append; a full disk loses the line, never the process."""
        try:
            if self.file.tell() + len(data) > self.limit:
                self.file.close()
                self.path.replace(self.path.with_name(self.path.name + ".1"))
                self.file = self._open()
            self.file.write(data)
        except OSError:
            pass


class Keeper:
    """One process and the wishes about it."""

    def __init__(self, *, name: str, command: list[str], state: Path, log: Path, manager: int) -> None:
        self.name, self.command, self.state_path = name, command, state
        self.log = Log(log)
        self.manager = os.pidfd_open(manager)
        self.wanted, self.ending, self.state = True, False, ""
        self.pid = 0
        self.started_at = self.start_at = self.kill_at = 0.0
        self.pause = 0.0
        self.output = -1

    # -- the loop

    def run(self) -> None:
        """Keep the process until it is time to end; every descendant is gone afterwards."""
        wakeup, wakeup_end = os.pipe()
        for end in (wakeup, wakeup_end):
            os.set_blocking(end, False)
        # Signals are only noted where they strike; their numbers are read in the loop, one by one.
        signal.set_wakeup_fd(wakeup_end)
        for number in (signal.SIGCHLD, *ORDERS):
            signal.signal(number, lambda *_: None)
        prctl(PR_SET_CHILD_SUBREAPER, 1)  # what our process leaves behind becomes ours to end
        while not (self.ending and not self.pid):
            self.step()
            ready, _, _ = select.select(self.watched(wakeup), [], [], self.timeout())
            if wakeup in ready:
                for number in os.read(wakeup, 4096):
                    if number in ORDERS:
                        ORDERS[number](self)
            if self.manager in ready:
                self.end()
            if self.output in ready:
                self.copy_output()
            self.reap()
        self.note("ended")

    def watched(self, wakeup: int) -> list[int]:
        manager = [] if self.ending else [self.manager]
        return [wakeup, *manager, *([self.output] if self.output >= 0 else [])]

    def timeout(self) -> float | None:
        moments = [moment for moment in (self.start_at, self.kill_at) if moment]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def step(self) -> None:
        now = time.monotonic()
        if self.pid and self.kill_at and now >= self.kill_at:
            self.say(f"{self.name} did not stop within {GRACE:g} s and is killed")
            self.signal_group(signal.SIGKILL)
            self.kill_at = 0.0
        if self.wanted and not self.pid and now >= self.start_at:
            self.start()

    # -- wishes

    def want(self, wanted: bool) -> None:
        """Start the process, or stop it and stay."""
        self.wanted = wanted and not self.ending
        self.start_at = self.pause = 0.0
        if not wanted and self.pid:
            os.kill(self.pid, signal.SIGTERM)  # the process alone: it knows how to stop its workers
            self.kill_at = time.monotonic() + GRACE
        elif not wanted:
            self.note("stopped")

    def end(self) -> None:
        """Stop the process and end."""
        if not self.ending:
            self.ending = True
            self.want(False)

    # -- the process

    def start(self) -> None:
        self.start_at = 0.0
        self.started_at = time.monotonic()
        parent = os.getpid()

        def in_child() -> None:
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # should this keeper be killed itself
            if os.getppid() != parent:
                os._exit(1)

        output, output_end = os.pipe()
        os.set_blocking(output, False)
        try:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output_end,
                stderr=output_end,
                preexec_fn=in_child,
                process_group=0,
            )
        except OSError as error:
            os.close(output)
            self.failed(f"cannot be started ({error.strerror})")
            return
        finally:
            os.close(output_end)
        process.returncode = 0  # reaped by `reap`, which also sees what the process leaves behind
        self.pid, self.output = process.pid, output
        self.note("running")

    def copy_output(self) -> None:
        try:
            data = os.read(self.output, 65536)
        except BlockingIOError:
            return
        if data:
            self.log.write(data)
        else:
            os.close(self.output)
            self.output = -1

    def reap(self) -> None:
        """Take note of every descendant that has ended; ours among them changes our state."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self.pid:
                self.ended(os.waitstatus_to_exitcode(status))

    def ended(self, status: int) -> None:
        self.sweep()
        while self.output >= 0 and select.select([self.output], [], [], 0)[0]:
            self.copy_output()
        self.pid, self.kill_at = 0, 0.0
        if not self.wanted:
            self.note("stopped")
        elif status in CLEAN_ENDS:
            self.wanted = False
            self.note("stopped", f"{self.name} was stopped; `just start {self.name}` starts it again")
        else:
            self.failed(reason(status))

    def failed(self, why: str) -> None:
        self.pause = next_pause(self.pause, ran_for=time.monotonic() - self.started_at)
        self.start_at = time.monotonic() + self.pause
        self.note("waiting", f"{self.name} {why}; it is started again in {self.pause:g} s")

    def sweep(self) -> None:
        """End what the process has left behind: workers that hold its ports would block its next start."""
        deadline = time.monotonic() + 2
        number = signal.SIGTERM
        while self.signal_group(number):
            try:
                pid, _status = os.waitpid(-self.pid, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                number = signal.SIGKILL if time.monotonic() > deadline else signal.SIGTERM
                select.select([], [], [], 0.02)

    def signal_group(self, number: int) -> bool:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    # -- telling

    def note(self, state: str, why: str = "") -> None:
        """Write the state file, and say the sentence if there is one."""
        if why:
            self.say(why)
        self.state = state
        facts = {
            "name": self.name,
            "keeper": os.getpid(),
            "pid": self.pid,
            "state": state,
            "why": why,
            "since": time.time(),
        }
        draft = self.state_path.with_suffix(".draft")
        draft.write_text(json.dumps(facts))
        draft.replace(self.state_path)

    def say(self, sentence: str) -> None:
        """Print a sentence; a terminal that is gone does not matter."""
        self.log.write(f"keeper: {sentence}\n".encode())
        try:
            print(f"{sentence}.", flush=True)
        except OSError:
            pass


#: signal → what it asks for
ORDERS: dict[int, Callable[[Keeper], None]] = {
    signal.SIGUSR1: lambda keeper: keeper.want(False),
    signal.SIGUSR2: lambda keeper: keeper.want(True),
    signal.SIGTERM: Keeper.end,
    signal.SIGINT: Keeper.end,
    signal.SIGHUP: Keeper.end,
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--manager", type=int, required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    Keeper(**vars(options)).run()


if __name__ == "__main__":
    main(sys.argv[1:])
