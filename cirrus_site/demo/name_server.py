"""The demo's name server: an NSD that is a secondary of the hidden primary, on a port of the loopback."""

import os
import shutil
import sys
import time

from cirrus_site.config import Config
from cirrus_site.demo.paths import nsd_folder
from cirrus_site.demo.programs import LOOPBACK, SECONDARY
from cirrus_site.demo.redis_server import SBIN
from dnszones.errors import UnknownSecondary
from dnszones.nsd import CONFIGURATION
from dnszones.nsd_folder import options_for, secondary_entry, write_folder, zones_for
from edge.errors import RedisUnreachable
from edge.store import reaching_redis

#: Seconds between two looks for the secondary, which `just up` seeds while this waits.
POLL = 0.2


def nsd_binary() -> str:
    """The path of NSD; "" where it is not installed."""
    return shutil.which("nsd", path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}") or ""


def nsd_run(config: Config) -> None:
    """Write the folder of NSD as soon as the secondary is known, and become NSD."""
    folder = nsd_folder(config)
    said = ""
    while True:
        try:
            with reaching_redis() as client:
                entry = secondary_entry(client, SECONDARY)
                zones, _ = zones_for(client, entry)
            break
        except (UnknownSecondary, RedisUnreachable) as error:
            if said != str(error):
                said = str(error)
                print(f"waiting: {said}", flush=True)
            time.sleep(POLL)
    primary, port = config.dns_addresses[0]
    options = options_for(
        entry,
        folder=folder,
        primary=f"{primary}@{port}",
        listen=f"{LOOPBACK}@{config.demo_dns_port}",
        verify_port=config.demo_verify_port,
        python=sys.executable,
    )
    write_folder(options, zones)
    os.execv(nsd_binary(), ["nsd", "-d", "-c", str(options.folder / CONFIGURATION)])  # noqa: S606
