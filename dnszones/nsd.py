"""The configuration of an NSD (4.6 or newer) that is a secondary of ours. Pure: data in, texts out.

Everything that such an NSD has lies in one folder: what is written here, and what it writes itself. The
folder may be made on one machine and copied to the same place on another.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: What is written, relative to the folder. `OWN` is the operator's, and written only where it is missing.
CONFIGURATION, KEY, ZONES, VERIFIER, OWN = "nsd.conf", "key.conf", "zones.conf", "verify.py", "local.conf"
#: What NSD and the verifier write into.
FOLDERS = ("zones", "run", "verify")
PATTERN = "cirrus"


@dataclass(frozen=True)
class NsdOptions:
    """One NSD. `control` is the socket of nsd-control, an address is `ADDRESS@PORT`, and `python` runs the
    verifier, which needs nothing else.
    """

    folder: Path
    control: Path
    listen: str
    primary: str
    key_name: str
    key_algorithm: str
    key_secret: str
    verify_port: int = 5347
    python: str = "/usr/bin/python3"


def configuration(options: NsdOptions) -> str:
    """`nsd.conf`. What stands in the comments was learnt from failures."""
    folder = options.folder
    primary_address = options.primary.partition("@")[0]
    return f"""\
# Written by `manage.py nsd_config`, which overwrites it. Settings of your own go into {OWN}.

server:
    ip-address: {options.listen}
    # No other user and no chroot: it runs as whoever starts it, and every path is in this folder.
    username: ""
    chroot: ""
    zonesdir: "{folder}/zones"
    pidfile: "{folder}/run/nsd.pid"
    xfrdfile: "{folder}/run/xfrd.state"
    zonelistfile: "{folder}/run/zone.list"
    xfrdir: "{folder}/run"
    # Zones are kept as files, written within 2 seconds: without them a crash while the primary is away
    # would lose every zone. The second line must follow the first, which sets it to "never".
    database: ""
    zonefiles-write: 2
    # A new version is served at once instead of with the next second.
    xfrd-reload-timeout: 0
    hide-version: yes
    refuse-any: yes

remote-control:
    control-enable: yes
    control-interface: "{options.control}"

verify:
    # Each new version is read by this program first; where it fails, the old version stays.
    enable: yes
    ip-address: 127.0.0.1
    port: {options.verify_port}
    verify-zones: yes
    verifier: "{options.python}" -I "{folder}/{VERIFIER}" "{folder}/verify"
    verifier-count: 2
    verifier-feed-zone: yes
    verifier-timeout: 30

include: "{folder}/{KEY}"

pattern:
    name: "{PATTERN}"
    zonefile: "%s.zone"
    request-xfr: {options.primary} {options.key_name}
    allow-notify: {primary_address} {options.key_name}
    allow-axfr-fallback: yes
    # While the primary is away NSD waits longer and longer: never longer than this.
    max-retry-time: 120

include: "{folder}/{ZONES}"
include: "{folder}/{OWN}"
"""


def key_file(options: NsdOptions) -> str:
    """`key.conf`: the TSIG key. For its owner's eyes only."""
    return f"""\
key:
    name: {options.key_name}
    algorithm: {options.key_algorithm}
    secret: "{options.key_secret}"
"""


def zones_file(apexes: Iterable[str]) -> str:
    """`zones.conf`: the zones, sorted."""
    texts = [f'zone:\n    name: "{apex}"\n    include-pattern: "{PATTERN}"\n' for apex in sorted(apexes)]
    return "\n".join(texts) or "# no zones yet\n"


def zones_of(text: str) -> set[str]:
    """The zones that a `zones.conf` of ours has."""
    return set(re.findall(r'^    name: "([^"]+)"$', text, re.MULTILINE))
