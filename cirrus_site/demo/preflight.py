"""Everything that would keep the demo from running, found before anything is started."""

import errno
import socket
from collections.abc import Sequence
from pathlib import Path

from cirrus_site.config import Config
from cirrus_site.demo.authority import pebble_binary
from cirrus_site.demo.name_server import nsd_binary
from cirrus_site.demo.programs import Listener, Program
from cirrus_site.demo.redis_server import redis_binary
from edge.errors import EdgeCannotStart
from edge.runtime import lua_modules, nginx_binary

INSTALL = "`./dev up` installs what is missing"
#: Who listens here listens at every address.
EVERY = {"0.0.0.0", "::"}  # noqa: S104  (compared, not bound)


def problems(config: Config, wanted: Sequence[Program]) -> list[str]:
    """Each problem as a sentence; empty where the demo can start."""
    return [*missing_servers(config), *clashing_ports(wanted), *busy_ports(wanted)]


def missing_servers(config: Config) -> list[str]:
    """The servers that are not installed, or cannot do what is needed of them."""
    found = []
    if not config.redis_url and not redis_binary():
        found.append(f"redis-server is not installed; {INSTALL}.")
    if not nsd_binary():
        found.append(f"nsd is not installed; {INSTALL}.")
    if not pebble_binary():
        found.append(f"pebble is not installed; {INSTALL}.")
    try:
        lua_modules(nginx_binary())
    except EdgeCannotStart as error:
        found.append(str(error))
    return found


def clashing_ports(wanted: Sequence[Program]) -> list[str]:
    """Ports that the settings give out twice."""
    taken: list[tuple[Program, Listener]] = []
    found = []
    for program in wanted:
        for listener in program.listens:
            for other, its in taken:
                if its.port == listener.port and (
                    {its.bind, listener.bind} & EVERY or its.bind == listener.bind
                ):
                    found.append(
                        f"{other.name} and {program.name} would share port {listener.port}; "
                        f"{its.setting} or {listener.setting} changes it."
                    )
                    break
            taken.append((program, listener))
    return found


def busy_ports(wanted: Sequence[Program]) -> list[str]:
    """Ports that somebody else listens on."""
    return [
        f"port {listener.port} for {program.name} {trouble}; {listener.setting} changes it."
        for program in wanted
        for listener in program.listens
        if (trouble := listen_trouble(listener))
    ]


def listen_trouble(listener: Listener) -> str:
    """Why one cannot listen there, or ""."""
    family = socket.AF_INET6 if ":" in listener.bind else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listener.bind, listener.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"is taken by {holder(listener.port) or 'another process'}"
            return f"of {listener.bind} cannot be used ({error.strerror})"
    return ""


def holder(port: int) -> str:
    """Who listens on a TCP port, as `redis-server (pid 123)`; "" where we may not know."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:] if Path(table).exists() else []:
            cells = line.split()
            if cells[3] == "0A" and int(cells[1].rpartition(":")[2], 16) == port:  # 0A: listening
                inodes.add(f"socket:[{cells[9]}]")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if inodes and str(link.readlink()) in inodes:
                process = link.parent.parent
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue  # not ours to look at, or gone
    return ""
