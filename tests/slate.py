"""The database as the migrations have left it, and the way back to it after a test that commits.

Django flushes after such a test and sends `post_migrate`, which makes every permission, role and job anew:
a thousand statements, longer than most tests. Here the rows that there were at first lie in copies beside
their tables, and one transaction brings them back.
"""

from django.db import connection, transaction

PREFIX = "slate_of_"


class Slate:
    """The rows of each table that Django manages, as they are when this is made."""

    def __init__(self) -> None:
        self.tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        self.statements = [f"DELETE FROM {quoted(table)}" for table in self.tables]
        with connection.cursor() as cursor:
            for table in self.tables:
                cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {quoted(table)})")
                if cursor.fetchone()[0]:
                    copy = quoted(PREFIX + table)
                    cursor.execute(f"CREATE TABLE {copy} AS SELECT * FROM {quoted(table)}")
                    self.statements.append(f"INSERT INTO {quoted(table)} SELECT * FROM {copy}")

    def restore(self) -> None:
        """Have these rows again, and no others. Constraints are looked at when all are there."""
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in self.statements:
                cursor.execute(statement)


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)
