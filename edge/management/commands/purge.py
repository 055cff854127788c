"""`manage.py purge`: purge URLs, prefixes, tags or everything of a domain, and wait for the edges."""

import os
import pwd
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from domains.hostnames import normalize_hostname
from domains.models import Domain
from edge.errors import PurgeLimited, PurgeRefused
from edge.models import Purge
from edge.purges.plan import PlannedPurge, domains_of, purge_plan, url_problems
from edge.purges.services import LONGEST_NOTE, purge_request, purge_statuses
from edge.purges.statuses import PurgeStatus

#: Seconds between two looks at the acknowledgements.
LOOK = 0.02

#: Wrong lines of a file that are told.
TOLD = 3

FILE_HELP = "read URLs or paths, one a line (empty ones and those with # in front do not count); - is stdin"

EXAMPLES = """
examples:
  manage.py purge https://www.example.com/logo.png          all queries of one URL
  manage.py purge 'https://www.example.com/list?page=2'     this query only
  manage.py purge www.example.com --prefix /img/ --soft     all below /img/, served stale meanwhile
  manage.py purge www.example.com --tag product-17          whatever the origin has given this tag
  manage.py purge www.example.com --all --wait 5            everything; fail if not done in 5 s
  find … | manage.py purge www.example.com --file -         paths or URLs, one a line

exit status: 0 done (or, without --wait, accepted); 1 not accepted, refused by an edge, or not done in time
"""


class Command(BaseCommand):
    help = "Purge what edges have cached of a domain. Browsers keep what they have: edges cannot reach them."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        kwargs |= {"formatter_class": RawDescriptionHelpFormatter, "epilog": EXAMPLES}
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", nargs="*", metavar="HOST|URL", help="a host name, or a whole URL")
        parser.add_argument("--prefix", action="append", default=[], metavar="P", help="paths that begin so")
        parser.add_argument("--tag", action="append", default=[], metavar="T", help="answers with this tag")
        parser.add_argument("--all", action="store_true", help="everything of the host's domain")
        parser.add_argument("--file", metavar="FILE", help=FILE_HELP)
        parser.add_argument("--soft", action="store_true", help="serve it once more while it is fetched anew")
        parser.add_argument("--wait", type=float, metavar="SECONDS", help="wait until every edge has it")
        parser.add_argument("--note", default="", help="why, for your team")
        parser.add_argument("--dry-run", action="store_true", help="say what would be purged, and do nothing")

    def handle(self, *, what: list[str], wait: float | None, dry_run: bool, **options: Any) -> None:
        urls = [text for text in what if "/" in text]
        asked: dict[str, Any] = {
            "domains": _domains([text for text in what if "/" not in text]),
            "urls": urls,
            "prefixes": options["prefix"],
            "tags": options["tag"],
            "everything": options["all"],
        }
        if options["file"]:
            asked["urls"] = [*urls, *_urls_of_file(options["file"], asked["domains"])]
        soft = " (soft)" if options["soft"] else ""
        try:
            if dry_run:
                self._tell(purge_plan(**asked), soft)
                return
            purges = purge_request(**asked, soft=options["soft"], note=_signed(options["note"]))
        except (PurgeRefused, PurgeLimited) as error:
            raise CommandError(str(error)) from error
        for purge in purges:
            self.stdout.write(f"Purge {purge.pk} of {purge}{soft}.")
        if not self._wait(purges, wait or 0.0) and wait is not None:
            sys.exit(1)

    def _tell(self, plans: Iterable[PlannedPurge], soft: str) -> None:
        for plan in plans:
            self.stdout.write(f"Would purge {plan.counted} of {plan.domain}{soft}: {plan.summary}.")
            if plan.widened:
                self.stdout.write(f"  widened: {plan.widening}")

    def _wait(self, purges: list[Purge], seconds: float) -> bool:
        """Print each step until all are finished or the time is over; whether all are done."""
        deadline = time.monotonic() + seconds
        told: dict[int, str] = {}
        widened: dict[int, str] = {}
        while True:
            fresh = list(Purge.objects.filter(pk__in=[purge.pk for purge in purges]).order_by("pk"))
            statuses = purge_statuses(purges=fresh)
            for purge in fresh:
                if widened.get(purge.pk, "") != purge.widened:
                    widened[purge.pk] = purge.widened
                    self.stdout.write(f"{purge.host}: widened: {purge.widened}")
                if told.get(purge.pk) != (line := statuses[purge.pk].sentence):
                    told[purge.pk] = line
                    self.stdout.write(f"{purge.host}: {line}")
            if all(status.finished for status in statuses.values()):
                return True
            if time.monotonic() >= deadline or _hopeless(statuses.values()):
                return False
            time.sleep(LOOK)


def _hopeless(statuses: Iterable[PurgeStatus]) -> bool:
    """Whether waiting for longer changes nothing: some edge refuses, and all others have answered."""
    open_edges = [
        edge for status in statuses for edge in status.edges if edge.answer in ("pending", "unknown")
    ]
    return not open_edges and all(status.finished or status.tone == "refused" for status in statuses)


def _domains(hosts: list[str]) -> list[Domain]:
    try:
        names = [normalize_hostname(host, wildcard=True) for host in hosts]
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    found = domains_of(names)
    if missing := [host for host, name in zip(hosts, names, strict=True) if name not in found]:
        raise CommandError(f"No domain has the host name {', '.join(missing)}.")
    return list({domain.pk: domain for domain in found.values()}.values())


def _signed(note: str) -> str:
    """The note, and who it was: a command has no user of the portal."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    signature = f"by command (system user {user})"
    room = LONGEST_NOTE - len(signature) - 2
    return f"{note[:room]}, {signature}" if note else signature


def _urls_of_file(path: str, domains: list[Domain]) -> list[str]:
    lines = _lines(path)
    problems = url_problems(urls=[text for _, text in lines], domains=domains)
    if problems:
        first = [f"Line {lines[place][0]}: {why}" for place, why in list(problems.items())[:TOLD]]
        more = len(problems) - TOLD
        rest = [f"{more:,} more lines cannot be used."] if more > 0 else []
        raise CommandError(" ".join([*first, *rest]))
    return [text for _, text in lines]


def _lines(path: str) -> list[tuple[int, str]]:
    """(its number, its text) of each line that counts."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            f"{path} cannot be read ({getattr(error, 'strerror', 'it is not text')})."
        ) from error
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]
