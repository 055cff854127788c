"""`manage.py nsd_sync`: give an NSD the zones that are new, and take away those that are gone."""

import logging
import time
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dnszones.errors import NsdFolderMissing, NsdNotReconfigured, UnknownSecondary
from dnszones.nsd_folder import reconfigure, secondary_entry, update_zones, zones_for
from edge import keyspace
from edge.errors import RedisUnreachable
from edge.store import reaching_redis

logger = logging.getLogger(__name__)

#: Milliseconds at the stream of changes; then everything is compared once more.
BLOCK = 10_000


class Command(BaseCommand):
    help = (
        "Compare the zones of an NSD (its folder was written by nsd_config) with ours, and have it take over "
        "what differs. --watch goes on for ever: run it beside NSD. Reads Redis, not the database."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--secondary", required=True, help="its name, as in the portal")
        parser.add_argument("--folder", required=True, type=Path)
        parser.add_argument("--watch", action="store_true", help="wait for changes")

    def handle(self, *, secondary: str, folder: Path, watch: bool, **options: Any) -> None:
        if watch:
            self._watch(secondary, folder)
            return
        try:
            with reaching_redis() as client:
                changed = self._sync(client, secondary, folder)
        except (UnknownSecondary, RedisUnreachable, NsdFolderMissing, NsdNotReconfigured) as error:
            raise CommandError(str(error)) from error
        self.stdout.write("It has the zones of now." if changed else "It had all zones already.")

    def _sync(self, client: "redis.Redis", secondary: str, folder: Path) -> bool:
        apexes, complete = zones_for(client, secondary_entry(client, secondary))
        return update_zones(folder, apexes, complete=complete)

    def _watch(self, secondary: str, folder: Path) -> None:
        client = redis.Redis.from_url(
            settings.KEYSPACE_URL,
            decode_responses=True,
            socket_connect_timeout=2,
            socket_timeout=BLOCK / 1000 + 5,
        )
        owed = False
        while True:
            try:
                # Where the stream stands before we look: what comes while we look is waited for no more.
                newest: Any = client.xrevrange(keyspace.ZONES_CHANGES, count=1)
                if owed:  # the list is written, NSD was away: it is told until it has heard
                    reconfigure(folder)
                    owed = False
                if self._sync(client, secondary, folder):
                    logger.info("%s has the zones of now", secondary)
                client.xread(
                    {keyspace.ZONES_CHANGES: newest[0][0] if newest else "0-0"}, count=1, block=BLOCK
                )
            except NsdNotReconfigured as error:
                owed = True
                logger.warning("%s", error)
                time.sleep(2)
            except UnknownSecondary as error:  # not published yet, or Redis has lost it
                logger.warning("%s", error)
                time.sleep(2)
            except NsdFolderMissing as error:
                raise CommandError(str(error)) from error
            except redis.RedisError as error:
                logger.warning("Redis does not answer (%s); the NSD keeps its zones", error)
                time.sleep(2)
