import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console

from cirrus_site.config import Config
from cirrus_site.demo import control, paths
from cirrus_site.demo.errors import DemoError
from cirrus_site.demo.name_server import nsd_run
from cirrus_site.demo.programs import programs
from cirrus_site.demo.report import state_table
from cirrus_site.demo.welcome import welcome

ON_ONE: dict[str, Callable[[Config, str], str]] = {
    "start": control.process_start,
    "stop": control.process_stop,
    "restart": control.process_restart,
}


class Command(BaseCommand):
    help = "Look after a running `demo_up` from another terminal."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("status", help="Show what runs.")
        verbs.add_parser("down", help="Stop everything.")
        verbs.add_parser("welcome", help="Wait until everything answers, and say so (demo_up runs this).")
        verbs.add_parser("nsd", help="Write the name server's folder and become it (demo_up runs this).")
        for verb in ON_ONE:
            verbs.add_parser(verb, help=f"{verb.capitalize()} one process.").add_argument("name")
        verbs.add_parser("logs", help="Follow logs.").add_argument("names", nargs="*")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            if verb in ON_ONE:
                self.stdout.write(ON_ONE[verb](settings.CIRRUS, options["name"]))
            else:
                getattr(self, verb)(settings.CIRRUS, **options)
        except DemoError as error:
            sys.exit(str(error))

    def down(self, config: Config, **_: Any) -> None:
        self.stdout.write(control.stack_stop(config))

    def status(self, config: Config, **_: Any) -> None:
        states = control.kept_states(config)
        if not states:
            raise DemoError("Cirrus is not running; `just up` starts it.")
        Console().print(state_table(programs(config), states))

    def welcome(self, config: Config, **_: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is for the manager; this one just goes
        if not welcome(config, Console()):
            sys.exit(1)

    def nsd(self, config: Config, **_: Any) -> None:
        nsd_run(config)

    def logs(self, config: Config, names: list[str], **_: Any) -> None:
        known = [program.name for program in programs(config)]
        if unknown := [name for name in names if name not in known]:
            raise DemoError(f"There is no {unknown[0]}; there are logs of {', '.join(known)}.")
        files = [str(paths.log_file(config, name)) for name in names or known]
        os.execvp("tail", ["tail", "-n", "20", "-F", *files])  # noqa: S606, S607
