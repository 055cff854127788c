"""Raising, changing, clearing and forgetting alarms, and what the portal shows of them."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from alarms.models import Alarm
from alarms.services import KEPT, alarm_clear, alarm_raise, alarms_expire, alarms_settle

pytestmark = pytest.mark.django_db

LIST = "/admin/alarms/alarm/"


def raised(sentence: str = "It burns.", **more):
    return alarm_raise(**{"kind": "fire", "subject": "house", "sentence": sentence} | more)


def test_raising_twice_is_one_alarm_and_one_line_of_the_log(caplog):
    first, second = raised(), raised()

    assert first == second
    assert Alarm.objects.count() == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "It burns." in caplog.text


def test_raising_the_same_again_writes_nothing(django_assert_num_queries):
    raised()
    with django_assert_num_queries(3) as queries:  # a savepoint around one question
        raised()
    assert not [q for q in queries if q["sql"].startswith(("UPDATE", "INSERT"))]


def test_a_new_sentence_changes_the_open_alarm():
    before = raised()
    after = raised("It burns higher.", severity=Alarm.Severity.CRITICAL)

    after.refresh_from_db()
    assert after.pk == before.pk
    assert (after.sentence, after.severity) == ("It burns higher.", "critical")
    assert after.raised_at == before.raised_at < after.changed_at


def test_a_cleared_alarm_is_raised_anew():
    first = raised()
    assert alarm_clear(kind="fire", subject="house")
    assert not alarm_clear(kind="fire", subject="house")
    second = raised()

    assert second.pk != first.pk
    assert list(Alarm.objects.all()) == [second, first]  # open ones first
    assert list(Alarm.objects.open()) == [second]


def test_settling_raises_what_is_wrong_and_clears_what_is_not_any_more():
    raised(subject="barn")
    raised(kind="flood", subject="cellar")
    alarms_settle(kind="fire", sentences={"house": "It burns."})

    assert {(alarm.kind, alarm.subject) for alarm in Alarm.objects.open()} == {
        ("fire", "house"),
        ("flood", "cellar"),
    }


def test_only_what_was_cleared_long_ago_is_forgotten():
    old, recent, lasting = (raised(subject=subject) for subject in ("old", "recent", "lasting"))
    now = timezone.now()
    Alarm.objects.filter(pk=old.pk).update(cleared_at=now - KEPT - timedelta(hours=1))
    Alarm.objects.filter(pk=recent.pk).update(cleared_at=now)
    Alarm.objects.filter(pk=lasting.pk).update(raised_at=now - 2 * KEPT)

    assert alarms_expire() == 1
    assert set(Alarm.objects.all()) == {recent, lasting}


@pytest.mark.django_db(transaction=True)
def test_two_that_raise_the_same_alarm_at_once_raise_one():
    start = threading.Barrier(4)

    def work():
        start.wait()
        raised()
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Alarm.objects.count() == 1


def test_the_list_shows_open_ones_first_and_cannot_be_edited(admin_client, keyspace):
    assert "Nothing is wrong" in admin_client.get(LIST).content.decode()
    raised("The first <burns>.")
    alarm_clear(kind="fire", subject="house")
    raised("The second burns.")
    page = admin_client.get(LIST).content.decode()

    assert page.index("The second burns.") < page.index("The first &lt;burns&gt;.")
    assert "The second" not in admin_client.get(LIST, {"state": "over"}).content.decode()
    assert admin_client.get(f"{LIST}add/").status_code == 403
