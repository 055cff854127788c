"""New settings for an edge that is running, which takes all of them or none."""

import json
import os
import secrets
import signal
import time

from edge import memory_file
from edge.errors import EdgeCannotStart, EdgeNotReloaded
from edge.runtime import EMERGENCIES, TAKEN, EdgeOptions, nginx_binary, write_files
from nodes.models import label_validator

#: Seconds within which workers with the new settings must have come, and between two looks.
PATIENCE, PACE = 60.0, 0.05
#: What nginx says last of a port that it cannot have, after it has tried five times.
GIVES_UP = "still could not bind()"
#: What a refused reload must not leave behind: the next one, by whatever hand, would have nginx read it.
FILES = ("nginx.conf", "settings.json")


def edge_reload(options: EdgeOptions) -> None:
    """Give a running edge the settings of now, without refusing a connection, and wait until it has them.

    Its nginx starts new workers and lets the old ones finish. Raises `EdgeCannotStart` where it does not run,
    or with a sentence of nginx that has tried them, and `EdgeNotReloaded` where the running one does not take
    them: in each case that goes on with what it has.
    """
    label_validator(options.node)
    pid = _pid_of(options)
    descriptor = _memory_file_of(options)
    if descriptor is None or not memory_file.renew(pid, descriptor):
        raise EdgeCannotStart(
            f"The edge {options.node} has no keys in memory that this user may replace; start it anew."
        )
    before = {name: (options.folder / name).read_text() for name in FILES}
    number = secrets.token_hex(8)
    write_files(options, nginx_binary(), descriptor, number=number)
    try:
        _have_taken(options, pid, number)
    except EdgeNotReloaded:
        for name, text in before.items():
            (options.folder / name).write_text(text)
        raise


def _pid_of(options: EdgeOptions) -> int:
    try:
        pid = int((options.folder / "nginx.pid").read_text())
        os.kill(pid, 0)
    except (OSError, ValueError) as error:
        raise EdgeCannotStart(
            f"The edge {options.node} does not run from {options.folder}; start it without --reload."
        ) from error
    return pid


def _memory_file_of(options: EdgeOptions) -> int | None:
    try:
        found = json.loads(_text(options, "settings.json")).get("memory_file")
    except ValueError:
        return None
    return found if isinstance(found, int) else None


def _have_taken(options: EdgeOptions, pid: int, number: str) -> None:
    """Tell nginx, and wait for workers that have the settings of this number."""
    (options.folder / EMERGENCIES).write_text("")  # nginx appends
    os.kill(pid, signal.SIGHUP)
    deadline = time.monotonic() + PATIENCE
    while _text(options, TAKEN) != number:
        if GIVES_UP in (said := _text(options, EMERGENCIES)) or time.monotonic() > deadline:
            raise EdgeNotReloaded(options.node, _reason(said))
        time.sleep(PACE)


def _text(options: EdgeOptions, name: str) -> str:
    try:
        return (options.folder / name).read_text()
    except OSError:
        return ""


def _reason(said: str) -> str:
    """`2026/11/29 02:05:00 [emerg] 7#7: bind() to 127.0.0.1:80 failed (…)` → the part after the numbers."""
    lines = [line.partition("[emerg] ")[2].partition(": ")[2] for line in said.splitlines()]
    reasons = dict.fromkeys(line for line in lines if line and line != GIVES_UP)
    return "; ".join(reasons) or f"no worker has them after {PATIENCE:.0f} s; its error log may say why"
