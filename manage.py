#!/usr/bin/env python
"""Django's command line for Cirrus: `manage.py help` lists every command."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cirrus_site.settings")
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError, DataError, IntegrityError

    try:
        execute_from_command_line(sys.argv)
    except DatabaseError as error:  # it is away, has no tables yet, or is no database
        if "--traceback" in sys.argv or isinstance(error, DataError | IntegrityError):
            raise
        reason = str(error).partition("\n")[0]
        print(f"cirrus: the database cannot be used ({reason}).", file=sys.stderr)
        sys.exit(2)  # 1 is an answer of `sync_keyspace --check`


if __name__ == "__main__":
    main()
