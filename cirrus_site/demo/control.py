"""Talks to a running demo from another terminal."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from cirrus_site.config import Config
from cirrus_site.demo import health, paths
from cirrus_site.demo.errors import DemoError
from cirrus_site.demo.programs import Program, programs

#: Seconds until an order must have been obeyed: a keeper needs at most 3.5 for a stubborn process.
PATIENCE = 15.0


@dataclass(frozen=True)
class Kept:
    """What a keeper says about its process."""

    name: str
    keeper: int
    pid: int
    state: str
    why: str
    since: float


def manager_pid(config: Config) -> int:
    """The pid of the running demo's manager, or 0 where none runs."""
    try:
        with open(paths.lock_file(config), "r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read().strip() or 0)
    except FileNotFoundError:
        pass
    return 0


def kept_states(config: Config) -> dict[str, Kept]:
    """Name → state of every process of the demo; empty where none runs."""
    if not manager_pid(config):
        return {}
    texts = [path.read_text() for path in sorted(paths.state_folder(config).glob("*.json"))]
    return {kept.name: kept for kept in (Kept(**json.loads(text)) for text in texts)}


def process_start(config: Config, name: str) -> str:
    """Start a process and wait until it takes connections; the sentence says what came of it."""
    kept = _kept(config, name)
    if kept.state == "running":
        return f"{name} runs already (pid {kept.pid})."
    os.kill(kept.keeper, signal.SIGUSR2)
    _until(lambda: _serves(config, name), f"{name} does not start: `just logs {name}`.")
    if started := _program(config, name).started:
        try:
            started()
        except OSError as error:
            raise DemoError(f"{name} runs, but does not answer: {error}") from error
    return f"{name} runs (pid {_kept(config, name).pid})."


def process_stop(config: Config, name: str) -> str:
    """Stop a process and leave it stopped; the sentence says what came of it."""
    kept = _kept(config, name)
    if kept.state == "stopped":
        return f"{name} is stopped already."
    os.kill(kept.keeper, signal.SIGUSR1)
    _until(lambda: _kept(config, name).state == "stopped", f"{name} does not stop: `just status`.")
    return f"{name} is stopped; `just start {name}` starts it again."


def process_restart(config: Config, name: str) -> str:
    """Stop a process if it runs, and start it."""
    process_stop(config, name)
    return process_start(config, name)


def stack_stop(config: Config) -> str:
    """Stop the whole demo and wait until everything has ended."""
    pid = manager_pid(config)
    if not pid:
        return "Nothing to stop: Cirrus is not running."
    os.kill(pid, signal.SIGTERM)
    _until(lambda: not manager_pid(config), f"Cirrus (pid {pid}) has not stopped within {PATIENCE:g} s.")
    return "Cirrus is stopped."


def _kept(config: Config, name: str) -> Kept:
    states = kept_states(config)
    if not states:
        raise DemoError("Cirrus is not running; `just up` starts it.")
    if name not in states:
        raise DemoError(f"There is no {name}; what runs is {', '.join(states)}.")
    return states[name]


def _serves(config: Config, name: str) -> bool:
    """Whether a process runs and takes connections wherever it listens."""
    return _kept(config, name).state == "running" and all(
        health.accepts(listener.bind, listener.port) for listener in _program(config, name).listens
    )


def _program(config: Config, name: str) -> Program:
    return next(program for program in programs(config) if program.name == name)


def _until(done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise DemoError(otherwise)
        time.sleep(0.02)
