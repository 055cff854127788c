"""`./dev`, the one script that a bare machine begins with: run for real, on a PATH of the test's making."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cirrus_site.config import BASE_DIR

TOOLS = ["bash", "cat", "dirname", "env", "id", "readlink", "rm", "sha256sum", "tail"]


class Machine:
    """A checkout in a folder with spaces, and a PATH with a few tools and what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self.path = folder / "bin"
        self.path.mkdir()
        for tool in TOOLS:
            (self.path / tool).symlink_to(shutil.which(tool) or pytest.fail(f"{tool} is missing"))
        (self.root / "requirements").mkdir(parents=True)
        (self.root / "requirements" / "dev.txt").write_text("# nothing\n")
        shutil.copy(BASE_DIR / "dev", self.root / "dev")
        self.program("python3", 'case "$*" in --version) echo Python 3.9.1 ;; *) exit 1 ;; esac')
        self.program("dpkg-query", "echo installed")

    def program(self, name: str, script: str) -> None:
        """Put a program on the PATH."""
        self._write(self.path / name, script)

    def _write(self, path: Path, script: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!{self.path}/bash\n{script}\n")
        path.chmod(0o755)

    def make_venv(self) -> None:
        """A .venv that is up to date, with a `just` that says what it is asked for, and where."""
        self._write(self.root / ".venv" / "bin" / "python", "exit 0")
        self._write(self.root / ".venv" / "bin" / "just", 'printf "<%s>" "$PWD" "$@"')
        digest = hashlib.sha256((self.root / "requirements" / "dev.txt").read_bytes()).hexdigest()
        (self.root / ".venv" / "cirrus-stamp").write_text(f"{digest}  - {self.root}\n")

    def dev(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Call it from another folder, as somebody without a terminal."""
        return subprocess.run(
            [self.root / "dev", *arguments],
            cwd="/",
            env={"PATH": str(self.path), "HOME": os.devnull},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_hands_verb_and_arguments_over_as_they_are(machine):
    machine.make_venv()
    assert machine.dev("manage", "shell", "-c", "print('a b')").stdout == (
        f"<{machine.root}><manage><shell><-c><print('a b')>"
    )


def test_without_a_verb_it_lists_the_verbs(machine):
    machine.make_venv()
    assert machine.dev().stdout == f"<{machine.root}><--list>"


def test_a_changed_lock_file_is_noticed_and_a_wrong_python_refused_with_a_sentence(machine):
    machine.make_venv()
    (machine.root / "requirements" / "dev.txt").write_text("# something\n")
    done = machine.dev("fmt")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "dev: Cirrus needs Python 3.11, 3.12 or 3.13; this machine has Python 3.9.1."
    )
    assert done.stdout == ""


def test_without_root_it_prints_the_one_line_to_run(machine):
    machine.make_venv()
    machine.program("dpkg-query", '[ "${!#}" = redis-server ] || echo installed')
    machine.program("id", "echo 1000")
    done = machine.dev("up")
    assert done.returncode == 1
    assert done.stderr == (
        "dev: run this as root, then ./dev again:\n"
        "  apt-get update && apt-get install -y --no-install-recommends --no-remove redis-server\n"
    )


def test_sudo_that_would_ask_is_not_asked_where_nobody_can_answer(machine):
    machine.make_venv()
    machine.program("dpkg-query", '[ "${!#}" = redis-server ] || echo installed')
    machine.program("id", "echo 1000")
    machine.program("sudo", '[ "$1" = -n ] && exit 1; echo asked')
    done = machine.dev("up")
    assert (done.returncode, done.stdout) == (1, "")
    assert "run this as root" in done.stderr


@pytest.mark.parametrize(
    ("verb", "refused"), [("up", False), ("test", True), ("check", True), ("fmt", False)]
)
def test_what_only_tests_need_is_asked_for_by_them_alone(machine, verb, refused):
    machine.make_venv()
    machine.program("dpkg-query", '[ "${!#}" = chromium ] || echo installed')
    machine.program("id", "echo 1000")
    done = machine.dev(verb)
    assert ("chromium" in done.stderr) is refused
    assert done.returncode == (1 if refused else 0)


def test_a_lua_module_that_another_package_has_pushed_out_is_missed(machine):
    machine.make_venv()
    script = machine.root / "dev"
    script.write_text(script.read_text().replace("/usr/lib/nginx/modules", "/nowhere"))
    done = machine.dev("up")
    assert done.returncode == 1
    assert done.stderr.startswith("dev: nginx's Lua module is gone (/nowhere/ngx_http_lua_module.so)")
    assert "apt-get remove luajit" in done.stderr


def test_debians_luajit_is_never_installed():
    script = (BASE_DIR / "dev").read_text()
    servers = (
        script.split('SERVERS="')[1].split('"')[0].split()
        + script.split('TESTERS="')[1].split('"')[0].split()
    )
    assert "libnginx-mod-http-lua" in servers
    assert "luajit" not in servers
