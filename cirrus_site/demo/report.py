"""What an operator sees of a running demo."""

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from cirrus_site.config import Config
from cirrus_site.demo import paths
from cirrus_site.demo.authority import roots_file
from cirrus_site.demo.control import Kept
from cirrus_site.demo.programs import LOOPBACK, SHOP, Program, edge_address, url
from cirrus_site.demo.seed import HOST

TAIL_LINES = 15


def state_table(wanted: Sequence[Program], states: dict[str, Kept]) -> Table:
    """One row a process: what it is, where it listens, its pid or why it has none."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("process", no_wrap=True)
    table.add_column("what", max_width=16)
    table.add_column("where", min_width=23, max_width=25)
    table.add_column("pid", no_wrap=True, justify="right")
    table.add_column("state", no_wrap=True)
    now = time.time()
    for program in wanted:
        kept = states.get(program.name)
        state = f"{kept.state} {duration(now - kept.since)}" if kept else "not started"
        pid = str(kept.pid) if kept and kept.pid else "–"
        table.add_row(program.name, program.what, program.where, pid, state)
    return table


def duration(seconds: float) -> str:
    """`42 s`, `7 min`, `3 h`."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


@dataclass(frozen=True)
class Seen:
    """What was seen of the running demo, as lines to print.

    `line` is the publication's own sentence about the demo domain, or "" where there is none; `purged` are
    the lines of `purge_show`, `followed` those of `dns_show`, `secured` those of `https_show`.
    """

    line: str
    purged: Sequence[str]
    followed: Sequence[str]
    secured: Sequence[str]


def print_welcome(console: Console, config: Config, *, portal: str, user: str, seen: Seen) -> None:
    """How to look at it: the portal, a request that shows the cache at work, what was seen, how to stop."""

    def say(text: str = "") -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    say(f"Portal   {portal}   user {user} (`just manage changepassword {user}` sets a new password)")
    if seen.line:
        say(f"Domain   {HOST}: {seen.line}")
        say()
        say("Ask each edge twice: X-Cache says MISS, then HIT.")
        for port in config.demo_edge_ports:
            say(f"  curl -sD- -o /dev/null -H 'Host: {HOST}' {url(*config.edge_addresses(port)[0])}")
    if seen.purged:
        say()
        say("A purge, as just seen (X-Cache of each edge before it and after it):")
        for text in seen.purged:
            say(text)
        say(f"Try it by tag:  just manage purge {HOST} --tag news --wait 5")
    if seen.followed:
        say()
        say("A client that follows the DNS, as just seen:")
        for text in seen.followed:
            say(text)
        server = f"@{LOOPBACK} -p {config.demo_dns_port}"
        say("Try it:  `just stop edge-1`, wait half a minute, and ask again:")
        say(f"  dig {server} {SHOP}")
        where = f"$(dig +short {server} {SHOP} | tail -1):{config.demo_http_port}"
        say(f"  curl -s -H 'Host: {SHOP}' http://{where}/news")
    if seen.secured:
        say()
        say("HTTPS with certificates of the demo's own authority, as just seen:")
        for text in seen.secured:
            say(text)
        say(f"Try it:  {https_line(config)}")
    say()
    say("Ctrl-C or `just down` stops everything, `just stop redis` one process; `just logs` shows the logs.")


def https_line(config: Config) -> str:
    """A request to the first edge over HTTPS, which trusts the demo's authority alone."""
    port = config.demo_https_port
    words = ["curl", "-sD-", "-o", "/dev/null", "--cacert", str(roots_file(config))]
    words += ["--resolve", f"{HOST}:{port}:{edge_address(1)}", f"https://{HOST}:{port}/"]
    return shlex.join(words)


def print_troubles(console: Console, config: Config, troubles: dict[str, str]) -> None:
    """What has not come up, why, and the end of its log."""
    for name, why in troubles.items():
        console.print(f"{name} is not up: {why}", style="bold red", soft_wrap=True, markup=False)
        for text in log_tail(config, name):
            console.print(f"  {text}", soft_wrap=True, highlight=False, markup=False)
    console.print("The rest runs on; `just status` shows it, `just logs` follows the logs.")


def log_tail(config: Config, name: str) -> list[str]:
    """The last lines of a process's log."""
    try:
        text = paths.log_file(config, name).read_text(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-TAIL_LINES:]
