"""The files from which nginx reads ticket keys, with nothing but random bytes in them.

nginx wants the keys of TLS session tickets in files, when it starts. Ours come with the configuration and
stand in no file: `cirrus.tls.tickets` finds these bytes in nginx's memory, and puts the keys in their places.
"""

import os
from pathlib import Path

#: As many keys as there may be at once (`TICKET_KEYS` in limits.lua), and their size in bytes.
SLOTS, SIZE = 16, 80


def ticket_slots(folder: Path) -> list[Path]:
    """The files, in nginx's order; made where they are missing, and never changed under a running nginx."""
    folder.mkdir(mode=0o700, exist_ok=True)
    paths = [folder / f"{number:02}" for number in range(1, SLOTS + 1)]
    for path in paths:
        if not path.exists() or path.stat().st_size != SIZE:
            path.write_bytes(os.urandom(SIZE))
            path.chmod(0o600)
    return paths
