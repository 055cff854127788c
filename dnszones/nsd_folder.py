"""The folder of an NSD: written, and kept up with the zones that there are.

New zones reach a running NSD by `nsd-control reconfig`, which takes over the whole list at once;
`addzones` with many zones has been seen to hang.
"""

import logging
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import redis

from accounts.sealing import open_sealed
from dnszones import nsd
from dnszones.errors import NsdFolderMissing, NsdNotReconfigured, UnknownSecondary
from dnszones.store import SecondaryEntry, tsig_record
from edge import keyspace
from edge.sockets import socket_path

logger = logging.getLogger(__name__)

#: Seconds that NSD may take to accept a new list of zones.
RECONFIG_TIME = 60


def secondary_entry(client: "redis.Redis", name: str) -> SecondaryEntry:
    """The secondary of that name. Raises `UnknownSecondary`."""
    text = client.hget(keyspace.SECONDARIES, name)
    if text is None:
        known = sorted(str(key) for key in client.hkeys(keyspace.SECONDARIES))
        raise UnknownSecondary(name, known)
    return SecondaryEntry.parse(str(text))


def zones_for(client: "redis.Redis", entry: SecondaryEntry) -> tuple[set[str], bool]:
    """The zones that it is given, and whether there are no others: after a loss of Redis some are missing."""
    pipe = client.pipeline(transaction=True)  # else a build that ends between the two makes a part look whole
    pipe.hkeys(keyspace.ZONES)
    pipe.get(keyspace.ZONES_CONFIRMED)
    names, confirmed = pipe.execute()
    present = {str(apex) for apex in names}
    return present if entry.zones is None else present & set(entry.zones), confirmed is not None


def options_for(
    entry: SecondaryEntry, *, folder: Path, primary: str, listen: str, verify_port: int, python: str
) -> nsd.NsdOptions:
    """Everything that its configuration says; opens the key.

    Raises `SocketTaken` and the errors of `accounts.sealing`.
    """
    secret = open_sealed(entry.tsig_secret, record=tsig_record(entry.tsig_name)).decode("ascii")
    folder = folder.resolve()
    return nsd.NsdOptions(
        folder=folder,
        control=socket_path(folder / "run", "control"),
        listen=listen or f"{entry.address}@{entry.port}",
        primary=primary,
        key_name=entry.tsig_name.rstrip("."),
        key_algorithm=entry.tsig_algorithm,
        key_secret=secret,
        verify_port=verify_port,
        python=python,
    )


def write_folder(options: nsd.NsdOptions, apexes: Iterable[str]) -> None:
    """Write all of it; what NSD has written itself stays. Raises `OSError`."""
    folder = options.folder
    for name in ("", *nsd.FOLDERS):
        (folder / name).mkdir(parents=True, exist_ok=True, mode=0o750)
    _write(folder / nsd.KEY, nsd.key_file(options), mode=0o600)
    shutil.copyfile(Path(__file__).with_name("verify.py"), folder / nsd.VERIFIER)
    if not (folder / nsd.OWN).exists():
        _write(folder / nsd.OWN, "# Settings of your own: this file is never overwritten.\n")
    _write(folder / nsd.ZONES, nsd.zones_file(apexes))
    _write(folder / nsd.CONFIGURATION, nsd.configuration(options))


def update_zones(folder: Path, apexes: set[str], *, complete: bool) -> bool:
    """Write the list of zones anew and have a running NSD take it over; False where nothing has changed.

    Zones are only ever added, unless the list is `complete`. Raises `NsdFolderMissing`,
    `NsdNotReconfigured` (the list is written then, and the next start of NSD reads it).
    """
    path = folder / nsd.ZONES
    try:
        text = path.read_text()
    except OSError as error:
        raise NsdFolderMissing(folder) from error
    wanted = nsd.zones_file(apexes if complete else apexes | nsd.zones_of(text))
    if wanted == text:
        return False
    _write(path, wanted)
    reconfigure(folder)
    return True


def reconfigure(folder: Path) -> None:
    """`nsd-control reconfig`. Raises `NsdNotReconfigured`."""
    program = shutil.which("nsd-control", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    command = [program or "nsd-control", "-c", str(folder.resolve() / nsd.CONFIGURATION), "reconfig"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=RECONFIG_TIME, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NsdNotReconfigured(folder, str(error)) from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise NsdNotReconfigured(folder, lines[-1] if lines else f"exit status {done.returncode}")


def _write(path: Path, text: str, mode: int = 0o640) -> None:
    """Replace a file at once, so that NSD never reads half of one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
    draft.replace(path)
