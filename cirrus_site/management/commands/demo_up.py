import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import OperationalError, connections

from cirrus_site.demo import stack
from cirrus_site.demo.errors import DemoError


class Command(BaseCommand):
    help = "Run the whole of Cirrus on this machine until Ctrl-C: Redis, portal, worker, beat, edges, origin."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        config = settings.CIRRUS
        try:
            with stack.only_one(config):
                wanted = stack.check(config)
                stack.write_files(config)
                call_command("migrate", verbosity=0, interactive=False)
                call_command("collectstatic", verbosity=0, interactive=False)
                call_command("create_first_admin")
                # Nothing of this process needs SQL any more, and an SQLite held open cannot be restored.
                connections.close_all()
                self.stdout.write("Starting …")
                self.stdout.flush()
                stack.run(config, wanted)
        except DemoError as error:
            sys.exit(str(error))
        except OperationalError as error:
            reason = str(error).strip().splitlines()[-1]
            sys.exit(f"The database cannot be used: {reason}. DATABASE_URL says which one it is.")
        except KeyboardInterrupt:  # before anything was started
            pass
        self.stdout.write("Cirrus is stopped.")
