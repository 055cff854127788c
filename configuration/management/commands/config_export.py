"""manage.py config_export: the whole configuration as a file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from configuration.exporting import config_export
from configuration.files import document_written


class Command(BaseCommand):
    help = "Write the configuration as YAML (JSON where FILE ends with .json). There are no secrets in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="default: standard output")

    def handle(self, *, file: Path | None, **_: Any) -> None:
        text = document_written(config_export(), path=file)
        if file is None:
            self.stdout.write(text, ending="")
            return
        try:
            file.write_text(text)
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from error
