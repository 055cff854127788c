"""Two configurations at once: one is applied after the other, and never a bit of both."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models.signals import pre_save

from accounts.models import User
from configuration import locking
from configuration.applying import config_apply
from configuration.errors import ApplyBusy
from configuration.secrets import as_told
from nodes.models import Region
from tests.factories import RegionFactory

pytestmark = pytest.mark.django_db(transaction=True)

BOSS = User(username="boss", is_superuser=True, is_active=True)


def apply(*names):
    """Have these regions and no others; what was done."""
    try:
        plan = config_apply(
            document={"version": 1, "regions": [{"name": name} for name in names]},
            reveal=as_told,
            user=BOSS,
            prune=True,
            remove_share=1,
        )
        return {(item.change, item.key) for item in plan.items}
    finally:
        connection.close()


@contextmanager
def while_regions_are_saved(wait):
    """Call `wait` before each region is saved: its transaction has looked, and not written yet."""

    def receiver(**_):
        try:
            wait()
        except threading.BrokenBarrierError:
            pass  # one has come alone: the other waits for it to end

    pre_save.connect(receiver, sender=Region)
    try:
        yield
    finally:
        pre_save.disconnect(receiver, sender=Region)


def test_of_two_that_are_applied_at_once_the_second_finds_what_the_first_has_left(keyspace):
    RegionFactory(name="eu-west")
    both_have_looked = threading.Barrier(2)
    meeting = while_regions_are_saved(lambda: both_have_looked.wait(timeout=2))
    with meeting, ThreadPoolExecutor(2) as people:
        one = people.submit(apply, "eu-west", "one")
        other = people.submit(apply, "eu-west", "other")
    there = set(Region.objects.values_list("name", flat=True))
    assert there in ({"eu-west", "one"}, {"eu-west", "other"})
    first, second = ("other", "one") if "one" in there else ("one", "other")
    plans = {"one": one.result(), "other": other.result()}
    assert plans[first] == {("created", first)}
    assert plans[second] == {("created", second), ("removed", first)}


def test_who_waits_for_too_long_is_told_so_and_nothing_is_done(keyspace, monkeypatch):
    """PostgreSQL says so after the patience; SQLite has one writer at a time, and its own, longer one."""
    monkeypatch.setattr(locking, "PATIENCE", 0.2)
    RegionFactory(name="eu-west")
    first_is_in, second_is_through = threading.Event(), threading.Event()

    def wait():
        if not first_is_in.is_set():
            first_is_in.set()
            second_is_through.wait(timeout=3)

    with while_regions_are_saved(wait), ThreadPoolExecutor(2) as people:
        one = people.submit(apply, "eu-west", "one")
        assert first_is_in.wait(timeout=20)
        other = people.submit(apply, "eu-west", "other")
        error = other.exception()
        second_is_through.set()
        assert one.result() == {("created", "one")}
    busy = connection.vendor == "postgresql"
    assert isinstance(error, ApplyBusy) is busy
    assert Region.objects.filter(name="other").exists() is not busy


@pytest.mark.parametrize("arguments", [[], ["--plan"]])
def test_a_database_that_others_hold_for_too_long_ends_in_a_sentence(arguments, keyspace, tmp_path):
    RegionFactory(name="eu-west", title="Western Europe")
    file = tmp_path / "cirrus.json"
    file.write_text('{"version": 1, "regions": [{"name": "eu-west", "title": "West"}]}')
    holds, ends = threading.Event(), threading.Event()

    def hold():
        try:
            with transaction.atomic():
                Region.objects.filter(name="eu-west").update(title="held")
                holds.set()
                ends.wait(timeout=30)
                transaction.set_rollback(True)
        finally:
            connection.close()

    def hurry():  # PostgreSQL's patience has no end otherwise
        if connection.vendor == "postgresql":
            connection.cursor().execute("SET LOCAL lock_timeout = '200ms'")

    with ThreadPoolExecutor(1) as people, while_regions_are_saved(hurry):
        other = people.submit(hold)
        assert holds.wait(timeout=20)
        if connection.vendor == "sqlite":
            connection.cursor().execute("PRAGMA busy_timeout = 200")
        try:
            with pytest.raises(
                CommandError, match=r"The database says: .+\. Nothing was applied; try again\."
            ):
                call_command("config_apply", str(file), *arguments)
        finally:
            ends.set()
            connection.close()
        other.result()
    assert Region.objects.get().title == "Western Europe"
