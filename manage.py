#!/usr/bin/env python
"""Django's command line for Cirrus: `manage.py help` lists every command."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cirrus_site.settings")
    from django.core.management import execute_from_command_line
    from django.db import OperationalError, ProgrammingError

    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, ProgrammingError) as error:  # it is away, or has no tables yet
        if "--traceback" in sys.argv:
            raise
        reason = str(error).partition("\n")[0]
        print(f"cirrus: the database cannot be used ({reason}).", file=sys.stderr)
        sys.exit(2)  # 1 is an answer of `sync_keyspace --check`


if __name__ == "__main__":
    main()
