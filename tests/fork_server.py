"""`manage.py` from a process that has imported Django before.

An edge's nginx starts in a tenth of a second, but Python takes a second to come to the point where it starts
it. So the tests have one process (`python -m tests.fork_server`) go there once. For each edge it forks, and
the fork takes the environment it is given, forgets the settings it was born with, and runs `manage.py` as a
shell would: the same command, which reads its settings anew and becomes nginx.

    tests ── a message: the words and the environment as JSON, with the log as a descriptor ──▶ fork server
    tests ◀── the pid of the fork, which is the pid of nginx later ──────────────────────────── fork server
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from importlib import import_module
from typing import IO

from tests.servers import ROOT

#: How long a message may be, in bytes; an environment is a few thousand.
LONGEST = 2**17


class ForkServer:
    """The process that forks, as the tests see it. It ends with the process that made it."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())],
                cwd=ROOT,
                env={**os.environ, "DJANGO_SETTINGS_MODULE": "cirrus_site.settings"},
                pass_fds=[theirs.fileno()],
            )

    def manage(self, words: list[str], environment: dict[str, str], log: IO[bytes]) -> "Fork":
        """Run `manage.py WORDS`, like `tests.servers.manage`."""
        message = json.dumps([words, environment]).encode()
        assert len(message) < LONGEST
        socket.send_fds(self.socket, [message], [log.fileno()])
        answer = self.socket.recv(16)
        assert answer, "the fork server has ended; what it has said is above"
        return Fork(int(answer))

    def stop(self) -> None:
        """End it; what it has forked runs on."""
        self.socket.close()
        self.process.wait(timeout=20)


class Fork:
    """A process that is not our child; of `subprocess.Popen` it has what an `EdgeServer` uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self.descriptor: int | None = os.pidfd_open(pid)
        except ProcessLookupError:  # over already: it had something to say to its log
            self.descriptor = None

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.descriptor is not None:
            try:
                signal.pidfd_send_signal(self.descriptor, number)
            except ProcessLookupError:
                pass

    def wait(self, timeout: float) -> None:
        """Return when it has ended. Raises `subprocess.TimeoutExpired` after `timeout` seconds."""
        if self.descriptor is None:
            return
        if not select.select([self.descriptor], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(f"pid {self.pid}", timeout)
        os.close(self.descriptor)
        self.descriptor = None


# -- in the fork server ----------------------------------------------------------------------------


def start() -> None:
    """Import all that `manage.py run_edge` imports."""
    import django

    django.setup()
    for name in ("edge.management.commands.run_edge", "manage"):
        import_module(name)


def forked(asked: socket.socket) -> tuple[list[str], dict[str, str], int]:
    """Fork for each message. Returns in the fork only: the words, the environment and the log."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody has to wait for the forks then
    while True:
        message, (*descriptors,), _, _ = socket.recv_fds(asked, LONGEST, 1)
        if not message:
            sys.exit()
        pid = os.fork()
        if pid == 0:
            asked.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            words, environment = json.loads(message)
            return words, environment, descriptors[0]
        os.close(descriptors[0])
        asked.send(str(pid).encode())


def manage(words: list[str], environment: dict[str, str], log: int) -> None:
    """`manage.py WORDS`, as if this process had begun with that environment."""
    from django.conf import settings
    from django.utils.functional import empty

    from cirrus_site.config import get_config
    from manage import main

    os.environ.clear()
    os.environ.update(environment)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.close(log)
    get_config.cache_clear()
    del sys.modules["cirrus_site.settings"]
    settings._wrapped = empty
    sys.argv = ["manage.py", *words]
    main()


if __name__ == "__main__":
    start()
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        asked.set_inheritable(False)
        arguments = forked(asked)
    manage(*arguments)
