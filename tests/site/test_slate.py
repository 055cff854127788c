"""What a test finds in the database does not depend on the tests before it."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection
from django.test import TransactionTestCase
from django_celery_beat.models import PeriodicTask

from nodes.models import Node
from tests.factories import NodeFactory


def counts():
    with connection.cursor() as cursor:
        found = {}
        for table in connection.introspection.django_table_names(only_existing=True, include_views=False):
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")
            (found[table],) = cursor.fetchone()
    return found


def seeded():
    return (
        set(Permission.objects.values_list("content_type__app_label", "codename", "name")),
        set(Group.objects.values_list("name", "permissions__codename")),
        set(PeriodicTask.objects.values_list("name", "task", "interval__every", "description", "enabled")),
    )


@pytest.fixture
def end_a_test(transactional_db):
    return TransactionTestCase._fixture_teardown.__get__(TransactionTestCase())


def test_what_a_test_has_added_changed_and_deleted_is_as_before(end_a_test):
    before, rows = seeded(), counts()
    assert rows[Node._meta.db_table] == 0
    NodeFactory(name="edge-1")
    Group.objects.first().delete()
    PeriodicTask.objects.update(enabled=False)
    end_a_test()
    assert seeded() == before
    assert counts() == rows


def test_it_is_what_a_flush_of_django_would_leave(end_a_test):
    end_a_test()
    before, rows = seeded(), counts()
    call_command("flush", verbosity=0, interactive=False)
    assert seeded() == before
    assert counts() == rows
