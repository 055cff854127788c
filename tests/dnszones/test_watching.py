"""What secondaries answer: asked for real, over UDP and TCP, and turned from PENDING to INSYNC."""

import threading
import time
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from alarms.models import Alarm
from dnszones.asking import Question, ask
from dnszones.errors import NotInSync, ZoneRefused
from dnszones.models import SecondaryState, Zone, ZoneVersion
from dnszones.services import challenge_publish, zone_wait
from dnszones.statuses import zone_statuses
from dnszones.tasks import watch
from dnszones.watching import BEHIND, BEHIND_ALARM, behind_alarm, insync_wait, secondaries_watch
from tests.dnszones.factories import RecordFactory, SecondaryFactory, ZoneFactory
from tests.dnszones.played import PlayedSecondary

pytestmark = pytest.mark.django_db(transaction=True)


def question(played, apex="a.example"):
    return Question(1, 1, apex, "127.0.0.1", played.port)


def seen(played, **options):
    [found] = ask([question(played)], **options).values()
    return found


def line(zone):
    zone.refresh_from_db()
    return zone_statuses([zone])[zone.pk]


def test_the_line_is_of_now_and_not_of_when_the_row_was_read(keyspace):
    zone = ZoneFactory(apex="a.example")
    Zone.objects.filter(pk=zone.pk).update(serial=7, refusal="It would remove 40 of 63 names.")
    assert (
        zone_statuses([zone])[zone.pk].sentence
        == "not published as it was built: It would remove 40 of 63 names"
    )


def test_nobody_is_behind_with_a_zone_that_was_never_published(keyspace, played):
    zone = ZoneFactory(apex="a.example")
    SecondaryFactory(port=played.port)
    secondaries_watch(zones=[zone])
    assert not SecondaryState.objects.exists()
    assert played.tcp_questions == 0


def test_marker_and_serial_are_read(played):
    played.serials["a.example"] = 4_000_000_000
    assert seen(played).serial == seen(played).soa_serial == 4_000_000_000
    assert played.tcp_questions == 0


def test_a_truncated_answer_is_asked_for_over_tcp(played):
    played.serials["a.example"] = 7
    played.truncates = True
    assert seen(played).serial == 7
    assert played.tcp_questions == 2


def test_a_secondary_without_the_zone_is_told_as_such(played):
    assert seen(played).error == "it answers REFUSED"


def test_who_is_no_authority_is_not_believed(played):
    played.serials["a.example"] = 7
    played.authority = False
    assert "not as an authority" in seen(played).error


def test_silence_costs_one_timeout_however_many_zones_are_asked_for(played):
    played.deaf = True
    start = time.monotonic()
    found = ask([question(played, f"zone-{n}.example") for n in range(1_000)], timeout=0.4)
    assert len(found) == 1_000
    assert all(one.serial is None and one.error for one in found.values())
    assert time.monotonic() - start < 20  # one after the other they would take 400 s


def test_a_silent_secondary_does_not_hold_up_the_answers_of_another(played):
    deaf = PlayedSecondary()
    deaf.deaf = True
    try:
        played.serials["a.example"] = 7
        found = ask([question(deaf), question(played)], timeout=0.4)
        assert [one.serial for one in found.values()] == [None, 7]
    finally:
        deaf.stop()


def test_a_version_is_pending_until_the_secondary_answers_it(world):
    world.build()
    assert secondaries_watch() == 0
    assert ZoneVersion.objects.get().insync_at is None
    status = line(world.zone)
    assert status.tone == "pending"
    assert status.sentence.startswith(f"PENDING: version {world.serial()} is answered by 0 of 1 secondaries")
    assert "it answers REFUSED" in status.sentence
    assert world.secondary_follows() == 1
    assert ZoneVersion.objects.get().insync_at
    status = line(world.zone)
    assert status.tone == "ok"
    assert status.sentence.startswith(f"INSYNC: version {world.serial()} is answered by 1 of 1 secondaries, ")


def test_a_newer_version_counts_for_the_older_ones(world):
    world.build()
    RecordFactory(zone=world.zone)
    world.build()
    assert world.secondary_follows() == 2


def test_a_secondary_that_was_in_sync_is_behind_after_a_change_and_since_when(world):
    world.settle()
    RecordFactory(zone=world.zone)
    world.build()
    secondaries_watch()
    state = SecondaryState.objects.get()
    assert state.behind_since == ZoneVersion.objects.first().published_at
    assert f"ns-a (it answers {state.serial})" in line(world.zone).sentence
    world.secondary_follows()
    assert SecondaryState.objects.get().behind_since is None


def test_a_secondary_that_falls_silent_keeps_what_it_was_seen_with(world):
    world.settle()
    serial = world.serial()
    world.played.deaf = True
    secondaries_watch(everything=True)
    state = SecondaryState.objects.get()
    assert state.serial == serial
    assert "does not answer" in state.error


def test_a_secondary_that_follows_is_only_behind_since_the_first_version_that_it_lacks(world):
    world.settle()
    for _ in range(3):
        world.played.serials = {"cdn.example": world.serial()}
        for _ in range(2):
            RecordFactory(zone=world.zone)
            world.build()
        secondaries_watch()
    lacked = ZoneVersion.objects.all()[1]
    assert SecondaryState.objects.get().behind_since == lacked.published_at
    secondaries_watch()
    assert SecondaryState.objects.get().behind_since == lacked.published_at


def test_a_secondary_that_is_silent_for_minutes_raises_an_alarm_though_nothing_has_changed(world):
    world.settle()
    world.played.deaf = True
    with time_machine.travel(timezone.now() + BEHIND, tick=True):
        watch()
        assert "does not answer" in Alarm.objects.open().get(kind=BEHIND_ALARM).sentence
    world.played.deaf = False
    watch()
    assert not Alarm.objects.open().exists()


def test_a_secondary_that_lacks_a_version_for_minutes_raises_an_alarm(world):
    """As one does whose verifier refuses the version."""
    world.settle()
    RecordFactory(zone=world.zone)
    world.build()
    secondaries_watch()
    behind_alarm(now=timezone.now() + BEHIND - timedelta(seconds=2))
    assert not Alarm.objects.exists()
    behind_alarm(now=timezone.now() + BEHIND)
    alarm = Alarm.objects.open().get(kind=BEHIND_ALARM)
    assert (alarm.subject, alarm.severity) == ("ns-a", "critical")
    assert "the newest version of 1 zone (cdn.example since " in alarm.sentence
    assert f"it answers {SecondaryState.objects.get().serial})" in alarm.sentence
    world.secondary_follows()
    watch()
    assert not Alarm.objects.open().exists()


def test_a_disabled_secondary_is_not_waited_for(world):
    spare = SecondaryFactory(name="ns-b", port=world.played.port + 1 if world.played.port < 65_535 else 1)
    world.build()
    world.secondary_follows()
    assert ZoneVersion.objects.get().insync_at is None
    spare.enabled = False
    spare.save()
    world.secondary_follows()
    assert ZoneVersion.objects.get().insync_at


def test_a_secondary_of_other_zones_is_not_waited_for(world):
    other = ZoneFactory(apex="other.example")
    SecondaryFactory(name="ns-b", port=1).zones.set([other])
    world.settle()
    versions = dict(ZoneVersion.objects.values_list("zone__apex", "insync_at"))
    assert versions["cdn.example"]
    assert versions["other.example"] is None


def test_what_is_in_sync_is_not_asked_again_at_once(world):
    world.settle()
    asked = SecondaryState.objects.get().asked_at
    secondaries_watch()
    assert SecondaryState.objects.get().asked_at == asked
    secondaries_watch(everything=True)
    assert SecondaryState.objects.get().asked_at > asked


def test_what_a_secondary_answered_for_a_zone_that_it_is_not_given_any_more_is_forgotten(world):
    other = ZoneFactory(apex="other.example")
    world.settle()
    assert SecondaryState.objects.count() == 2
    world.secondary.zones.set([other])
    secondaries_watch()
    assert SecondaryState.objects.get().zone == other


def test_without_secondaries_a_version_is_in_sync_with_nobody(world):
    world.secondary.delete()
    world.build()
    assert secondaries_watch() == 1
    assert "no secondary is given it" in line(world.zone).sentence


def test_who_waits_for_a_version_learns_of_it_within_a_moment(world):
    world.settle()
    challenge_publish(name="_acme-challenge.cdn.example", value="token")

    def follow():
        stop = time.monotonic() + 10
        before = world.played.serials["cdn.example"]
        while time.monotonic() < stop and world.serial() == before:
            time.sleep(0.01)
        time.sleep(0.2)
        world.played.serials["cdn.example"] = world.serial()

    thread = threading.Thread(target=follow)
    thread.start()
    found = zone_wait(zone=world.zone, timeout=10)
    thread.join()
    assert found.serial == world.serial()
    assert 0.1 < found.seconds < 3
    assert ZoneVersion.objects.first().insync_at
    assert "_acme-challenge" in ZoneVersion.objects.first().changed_names


def test_who_waits_in_vain_learns_for_whom(world):
    world.settle()
    with pytest.raises(NotInSync) as error:
        insync_wait(zone=Zone.objects.get(), serial=world.serial() + 1, timeout=0.3)
    assert error.value.waiting == {"ns-a": f"it answers {world.serial()}"}


def test_who_waits_for_what_is_not_published_learns_why_and_not_that_all_is_well(world):
    world.settle()
    world.zone.nameservers.all().delete()
    challenge_publish(name="_acme-challenge.cdn.example", value="x")
    with pytest.raises(ZoneRefused, match="a zone needs one at least"):
        zone_wait(zone=world.zone, timeout=1)
    world.zone.enabled = False
    world.zone.save()
    with pytest.raises(ZoneRefused, match="disabled"):
        zone_wait(zone=world.zone, timeout=1)
