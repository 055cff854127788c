"""`manage.py edge_keys`: the keys that an edge needs, to open private keys."""

import base64
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.sealing import edges_ring


class Command(BaseCommand):
    help = (
        "Print what belongs into CIRRUS_EDGE_KEYS on the machine of an edge: keys that open the private keys "
        "of certificates, and nothing else. They are made from CIRRUS_SEALING_KEYS."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        ring = edges_ring()
        if not ring:
            raise CommandError(
                "There is no sealing key here: set CIRRUS_SEALING_KEYS, or issue a first certificate."
            )
        self.stdout.write(
            ",".join(f"{key_id}:{base64.b64encode(key).decode()}" for key_id, key in ring.items())
        )
