"""`just bench NAME`: figures of this machine, side by side with peers in one run. Loopback only."""

import os
import sys
from importlib import import_module

NAMES = ("api", "dns", "edge", "load", "propagation", "purge", "tls")


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in NAMES:
        sys.exit(f"usage: just bench NAME, with NAME one of: {', '.join(NAMES)}")
    name = sys.argv[1]
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    # All caches in memory: else a miss measures how a disk's file system makes files, with all servers.
    if os.access("/dev/shm", os.W_OK):
        os.environ.setdefault("TMPDIR", "/dev/shm")
    import django

    django.setup()
    from tests.bench.report import publish
    from tests.bench.stack import stack
    from tests.servers import ROOT

    with stack() as running:
        rows = import_module(f"tests.bench.{name}").run(running)
    publish(name, rows, ROOT / "var" / "bench")


main()
