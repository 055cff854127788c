"""Where unix sockets lie: the path of one may not be long."""

import os
import tempfile
from hashlib import sha256
from pathlib import Path

from edge.errors import SocketTaken

#: What a unix socket's path may be long (sun_path in unix(7), less the closing zero).
MAX_SOCKET_PATH = 107


def socket_path(folder: Path, name: str) -> Path:
    """`NAME.sock` in this folder, or in one of our own in /tmp if that is too deep. Raises `SocketTaken`.

    Of an edge, `fetch` is where the cache tier meets the fetch tier, and `refresh` where it asks itself.
    """
    path = folder / f"{name}.sock"
    if len(str(path)) <= MAX_SOCKET_PATH:
        return path
    short = (
        Path(tempfile.gettempdir()) / f"cirrus-{os.getuid()}-{sha256(str(folder).encode()).hexdigest()[:12]}"
    )
    short.mkdir(mode=0o700, exist_ok=True)
    if short.stat().st_uid != os.getuid():
        raise SocketTaken(short)
    return short / f"{name}.sock"
