"""Runs the demo: one keeper for each program, all under one honcho manager."""

import fcntl
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from honcho.manager import Manager

from cirrus_site.config import BASE_DIR, DEMO_FILE, Config
from cirrus_site.demo import keeper, paths
from cirrus_site.demo.authority import write_authority
from cirrus_site.demo.errors import DemoBlocked, DemoError
from cirrus_site.demo.origin import write_origin
from cirrus_site.demo.preflight import problems
from cirrus_site.demo.programs import LOOPBACK, MANAGE, Program, programs
from cirrus_site.demo.redis_server import write_redis_config

SETTINGS = """\
# What `just up` has set, so that commands run by hand beside it see the same.
# `.env` and the environment win over this file; it is written once and then yours.

# The demo's origin is on this machine, where an edge would not connect otherwise.
CIRRUS_ORIGIN_ALLOW=127.0.0.0/8

# Where its edges speak HTTPS.
CIRRUS_HTTPS_PORT={https_port}

# Its names are known to its own name server alone.
CIRRUS_RESOLVERS={resolver}
"""


class Stack(Manager):
    """Honcho's manager, silent about its own doings: the keepers say what an operator should know."""

    _end_wanted = False

    def _system_print(self, data: str) -> None:
        pass

    def terminate(self) -> None:
        # Before every process has told its pid there is nothing that could be signalled.
        self._end_wanted = True
        if super()._all_started():
            super().terminate()

    def _all_started(self) -> bool:
        started: bool = super()._all_started()
        if started and self._end_wanted:
            super().terminate()
        return started


@contextmanager
def only_one(config: Config) -> Iterator[None]:
    """Hold the lock of the running demo; `DemoError` where another one has it."""
    path = paths.lock_file(config)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise DemoError(
                f"Cirrus is running already (pid {file.read().strip()}): "
                "`just status` shows it, `just down` stops it."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def check(config: Config) -> list[Program]:
    """What will run; `DemoBlocked` with every problem where it cannot."""
    wanted = programs(config)
    if found := problems(config, wanted):
        raise DemoBlocked(found)
    return wanted


def write_files(config: Config) -> None:
    """Generated configuration, and settings and secrets where there are none."""
    settings = config.var_dir / DEMO_FILE
    if not settings.exists():
        settings.write_text(SETTINGS.format(https_port=config.demo_https_port, resolver=resolver(config)))
    if not config.redis_url:
        write_redis_config(config)
    write_origin(config)
    write_authority(config)
    config.sealing_ring(make=True)  # the edges look for it when they start, and may be first


def run(config: Config, wanted: Sequence[Program]) -> None:
    """Run until Ctrl-C, SIGTERM or the end of the terminal; everything has ended afterwards."""
    paths.log_folder(config).mkdir(parents=True, exist_ok=True)
    states = paths.state_folder(config)
    states.mkdir(exist_ok=True)
    for stale in states.iterdir():
        stale.unlink()
    stack = Stack()
    for program in wanted:
        stack.add_process(
            program.name,
            keeper_command(config, program),
            env={**environment(config), **program.environment},
            cwd=BASE_DIR,
        )
    # A closed terminal is a Ctrl-C. Honcho's own children inherit this and ignore SIGTERM.
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    welcome = subprocess.Popen(
        [*MANAGE, "demo", "welcome"],
        cwd=BASE_DIR,
        env=environment(config),
        preexec_fn=lambda: keeper.prctl(keeper.PR_SET_PDEATHSIG, signal.SIGTERM),
    )
    try:
        stack.loop()
    finally:
        welcome.terminate()
        welcome.wait()


def keeper_command(config: Config, program: Program) -> str:
    """The shell's line that starts a program under its keeper."""
    return "exec " + shlex.join(
        [
            *(sys.executable, "-I", str(Path(keeper.__file__))),
            *("--name", program.name),
            *("--state", str(paths.state_file(config, program.name))),
            *("--log", str(paths.log_file(config, program.name))),
            *("--manager", str(os.getpid())),
            *("--", *program.command),
        ]
    )


def environment(config: Config) -> dict[str, Any]:
    """What every process of the demo has in its environment. The port wins over a file of before."""
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "CIRRUS_HTTPS_PORT": str(config.demo_https_port),
        "CIRRUS_RESOLVERS": " ".join(config.resolvers) or resolver(config),
    }


def resolver(config: Config) -> str:
    """Whom to ask for the demo's names."""
    return f"{LOOPBACK}:{config.demo_dns_port}"
