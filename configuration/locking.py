"""One configuration at a time: a second one waits for the first, and finds what that has left."""

from django.db import OperationalError, connection

from configuration.errors import ApplyBusy

#: Seconds that one waits for another.
PATIENCE = 20.0
#: The number of PostgreSQL's advisory lock; any, as long as nothing else of Cirrus has it.
LOCK = 0x43495252


def config_lock() -> None:
    """Wait for whoever plans or applies a configuration; nobody else does until this transaction ends.

    SQLite needs no more than its own: one transaction writes at a time. Raises `ApplyBusy`; the
    transaction is to be rolled back then.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{PATIENCE:.3f}s"])
        try:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        except OperationalError as error:
            raise ApplyBusy(PATIENCE) from error
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
