"""`manage.py verify_zone ZONE`: whether a secondary would accept the zone that stands in Redis."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dnszones.store import read_zone
from dnszones.verify import load, problem
from dnszones.verify import read_zone as read_lines
from dnszones.zonedata import APEX, Soa, decode_rrsets
from edge.errors import RedisUnreachable
from edge.store import reaching_redis


class Command(BaseCommand):
    help = (
        "Verify the newest version of a zone as the secondaries do. --folder: also compare it with the "
        "last good version that an NSD there has. --print: print it as a master file."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("zone")
        parser.add_argument("--folder", type=Path, help="the folder that nsd_config wrote")
        parser.add_argument("--print", action="store_true", help="print the zone as a master file")

    def handle(self, *, zone: str, folder: Path | None, **options: Any) -> None:
        apex = zone.rstrip(".").lower()
        try:
            with reaching_redis() as client:
                stored = read_zone(client, apex)
        except RedisUnreachable as error:
            raise CommandError(str(error)) from error
        if stored is None:
            raise CommandError(f"No zone {apex} is published.")
        lines = list(zone_lines(apex, stored.serial, Soa.parse(stored.soa), stored.names))
        if options["print"]:
            self.stdout.write("\n".join(lines))
        before = load(folder / "verify" / f"{apex}.good") if folder else None
        why = problem(read_lines(apex, lines), before, lost_share=0.5, size_share=0.5)
        if why:
            raise CommandError(f"{apex} {stored.serial} would be refused. {why}")
        if not options["print"]:
            self.stdout.write(f"{apex} {stored.serial} is good: {len(stored.names)} names.")


def zone_lines(apex: str, serial: int, soa: Soa, names: dict[str, str]) -> list[str]:
    """The zone as the lines of a master file, whole names only (RFC 1035 section 5)."""
    numbers = f"{serial} {soa.refresh} {soa.retry} {soa.expire} {soa.minimum}"
    lines = [f"{apex}. {soa.ttl} IN SOA {soa.mname} {soa.rname} {numbers}"]
    for name, text in sorted(names.items()):
        owner = f"{apex}." if name == APEX else f"{name}.{apex}."
        lines += [
            f"{owner} {ttl} IN {kind} {data}" for kind, ttl, values in decode_rrsets(text) for data in values
        ]
    return lines
