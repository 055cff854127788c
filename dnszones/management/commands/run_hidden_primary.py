"""`manage.py run_hidden_primary`: serve our zones from Redis to the secondaries."""

import asyncio
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dnszones.primary.process import serve


class Command(BaseCommand):
    help = (
        "Serve the zones that stand in Redis to the configured secondaries (SOA, AXFR and IXFR with TSIG, "
        "NOTIFY), over UDP and TCP, and refuse everything else. Needs Redis, never the database; while "
        "Redis is away it serves what it has."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--bind",
            nargs="+",
            default=settings.CIRRUS.dns_bind,
            metavar="ADDRESS:PORT",
            help="where to listen, [ADDRESS]:PORT for IPv6 (CIRRUS_DNS_BIND)",
        )

    def handle(self, *, bind: list[str], **options: Any) -> None:
        config = settings.CIRRUS.model_copy(update={"dns_bind": bind})
        try:
            addresses = config.dns_addresses
        except ValueError as error:
            raise CommandError(f"--bind: {error}.") from error
        try:
            asyncio.run(
                serve(
                    url=settings.KEYSPACE_URL,
                    bind=addresses,
                    metrics_port=config.dns_metrics_port,
                    journal=config.zone_journal,
                )
            )
        except OSError as error:
            raise CommandError(f"The hidden primary cannot listen: {error.strerror or error}.") from error
