"""Run a command with a PostgreSQL of its own: `python -m tests.postgres pytest tests/edge`.

The cluster lies in a temporary folder, listens on a unix socket there and nowhere else, and is gone
when the command has ended, however it ended; the exit code is the command's.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from tests.servers import MissingServer

DATABASE = "cirrus"
#: Where Debian and Ubuntu put the server's programs, the newest version last.
DEBIAN_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
#: The server refuses to run as root; this user comes with the package.
UNPRIVILEGED = "postgres"


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs."""
    folders = [*map(str, DEBIAN_BINARIES[::-1]), os.environ.get("PATH", os.defpath)]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if not found:
        raise MissingServer(f"PostgreSQL's {name} is not installed; ./dev test installs it.")
    return found


def become_unprivileged() -> Callable[[], None] | None:
    """What a child of ours does first when we are root."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam(UNPRIVILEGED)

    def become() -> None:
        os.setgid(user.pw_gid)
        os.setgroups([])
        os.setuid(user.pw_uid)

    return become


class Cluster:
    """A PostgreSQL server with its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"

    @property
    def url(self) -> str:
        """What `DATABASE_URL` says to use it."""
        return f"postgresql://{UNPRIVILEGED}@{quote(str(self.folder), safe='')}/{DATABASE}"

    def start(self) -> None:
        """Make the cluster, start it, and wait until it answers."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, UNPRIVILEGED)
        self._run("initdb", "--auth=trust", f"--username={UNPRIVILEGED}", "--encoding=UTF8", "--no-sync")
        # A throw-away cluster need not survive a crash of the machine.
        options = (
            f"-c listen_addresses='' -c unix_socket_directories='{self.folder}' "
            "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c shared_buffers=64MB"
        )
        self._run(
            "pg_ctl", "start", "--wait", f"--log={self.folder / 'postgres.log'}", f"--options={options}"
        )

    def stop(self) -> None:
        """Stop it, and cut whoever is still connected."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [program(name), *arguments, f"--pgdata={self.data}"],
            cwd=self.folder,
            preexec_fn=become_unprivileged(),
            # Not a pipe: the server would keep it open.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if done.returncode:
            log = self.folder / "postgres.log"
            told = log.read_text() if log.exists() else "it left no log"
            raise MissingServer(f"PostgreSQL's {name} failed (exit code {done.returncode}): {told}")


def run_with_postgres(command: list[str]) -> int:
    """Run `command` with TEST_DATABASE_URL set; its exit code."""
    with tempfile.TemporaryDirectory(prefix="cirrus-postgres-") as folder:
        cluster = Cluster(Path(folder))
        cluster.start()
        try:
            environment = os.environ | {"TEST_DATABASE_URL": cluster.url}
            if command[0] == "pytest":
                command = [sys.executable, "-m", *command]
            child = subprocess.Popen(command, env=environment)
            # A signal that ends us ends the command first, and then the cluster.
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, lambda number, frame: child.send_signal(number))
            while True:
                try:
                    return child.wait()
                except KeyboardInterrupt:
                    continue  # the terminal has told the command too
        finally:
            cluster.stop()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m tests.postgres COMMAND [ARGUMENT …]")
    try:
        sys.exit(run_with_postgres(sys.argv[1:]))
    except MissingServer as error:
        sys.exit(f"tests.postgres: {error}")
