"""`manage.py nsd_config`: write the folder of an NSD that is one of our secondaries."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import NotOpened, SealingKeyMissing
from dnszones.errors import UnknownSecondary
from dnszones.nsd_folder import options_for, secondary_entry, write_folder, zones_for
from edge.errors import RedisUnreachable, SocketTaken
from edge.store import reaching_redis


class Command(BaseCommand):
    help = (
        "Write everything that an NSD (4.6 or newer) needs as a secondary of ours: its configuration, the "
        "TSIG key, the list of zones and the program that verifies new versions. Reads Redis, not SQL."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--secondary", required=True, help="its name, as in the portal")
        parser.add_argument("--primary", required=True, metavar="ADDRESS@PORT", help="the hidden primary")
        parser.add_argument("--folder", required=True, type=Path, help="made where it does not exist")
        parser.add_argument("--listen", default="", metavar="ADDRESS@PORT", help="default: its address")
        parser.add_argument("--verify-port", type=int, default=5347, help="a free port of 127.0.0.1")
        parser.add_argument(
            "--python",
            default="/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable,
            help="the Python (3.9 or newer) that runs the verifier",
        )

    def handle(self, *, secondary: str, folder: Path, **options: Any) -> None:
        own = {name: options[name] for name in ("primary", "listen", "verify_port", "python")}
        try:
            with reaching_redis() as client:
                entry = secondary_entry(client, secondary)
                zones, _ = zones_for(client, entry)
            write_folder(options_for(entry, folder=folder, **own), zones)
        except (UnknownSecondary, RedisUnreachable, NotOpened, SealingKeyMissing, SocketTaken) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{folder} cannot be written ({error.strerror}).") from error
        self.stdout.write(
            f"{len(zones)} zones for {secondary} in {folder}. Check: nsd-checkconf {folder}/nsd.conf\n"
            f"Start: nsd -c {folder}/nsd.conf\n"
            f"New zones: manage.py nsd_sync --secondary {secondary} --folder {folder} --watch"
        )
