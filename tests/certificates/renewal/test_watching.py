"""Alarms for certificates in danger, and what the commands and metrics tell of them."""

import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from alarms.models import Alarm
from certificates.models import Authority, Certificate, Enrollment
from certificates.services.watching import certificates_alarm
from tests.certificates.renewal.rows import authority, certificate, enrolled, serving

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyspace")]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def alarms(kind="certificate"):
    certificates_alarm()
    return {alarm.subject: alarm for alarm in Alarm.objects.open().filter(kind=kind)}


def test_a_certificate_climbs_the_ladder_and_the_alarm_clears_itself():
    authority()
    failing = {"attempts": 7, "first_failed_at": timezone.now(), "problem": "Port 80 is closed."}
    enrollment = enrolled("www.shop.example", **failing)
    held = serving(enrollment, left=0.32)
    assert alarms() == {}

    def with_left(share):
        length = held.not_after - held.not_before
        now = timezone.now()
        Certificate.objects.filter(pk=held.pk).update(
            not_before=now - length * (1 - share), not_after=now + length * share
        )
        return alarms()["www.shop.example"]

    first = with_left(0.28)
    assert first.severity == "warning"
    assert "could not be renewed in 7 attempts" in first.sentence
    assert "Port 80 is closed." in first.sentence
    assert with_left(0.15).severity == "warning"
    assert with_left(0.04).severity == "critical"
    ended = with_left(-0.1)
    assert ended.pk == first.pk
    assert (ended.severity, "browsers refuse the site" in ended.sentence) == ("critical", True)

    Enrollment.objects.update(current=certificate(enrollment), attempts=0)
    assert alarms() == {}
    first.refresh_from_db()
    assert first.cleared_at is not None


def test_one_that_somebody_has_uploaded_is_spoken_of_too():
    authority()
    serving(enrolled("www.shop.example", source="upload"), left=0.1, source="upload")

    assert "upload a newer one" in alarms()["www.shop.example"].sentence


def test_one_that_was_revoked_and_is_served_is_spoken_of_until_another_has_taken_its_place():
    authority()
    enrollment = enrolled("www.shop.example")
    revoked = serving(enrollment, left=0.9)
    now = timezone.now()
    Certificate.objects.update(revoked_at=now)
    assert "No other is on its way" in alarms()["www.shop.example"].sentence
    page = told("certificates", "--problems", fails=True)
    assert "it was revoked" in page and "no other was asked for" in page
    assert "never" in told("renew_certificates", "--dry-run")

    # Another one takes its seconds.
    Enrollment.objects.update(requested_at=now, problem="It is limited.")
    assert alarms() == {}
    Certificate.objects.update(revoked_at=now - HOUR)
    alarm = alarms()["www.shop.example"]
    assert (alarm.severity, "The last attempt: It is limited." in alarm.sentence) == ("critical", True)

    # One that was issued since, and taken back when it was tried, is not the end of it.
    Enrollment.objects.update(requested_at=None)
    certificate(enrollment, left=0.95)
    Certificate.objects.exclude(pk=revoked.pk).update(created_at=now)
    assert "the certificate was revoked" in told("renew_certificates", "--dry-run")
    assert "no other was asked for" not in told("renew_certificates", "--dry-run")

    Enrollment.objects.update(current=certificate(enrollment))
    assert alarms() == {}


def test_a_first_certificate_that_does_not_come_is_spoken_of():
    authority()
    enrollment = enrolled("www.shop.example", attempts=3, first_failed_at=timezone.now(), problem="No.")
    certificate(enrollment, source="placeholder")
    assert alarms()["www.shop.example"].severity == "warning"

    Enrollment.objects.update(first_failed_at=timezone.now() - 2 * DAY)
    alarm = alarms()["www.shop.example"]
    assert (alarm.severity, "nobody can visit it over HTTPS" in alarm.sentence) == ("critical", True)


def test_a_domain_that_is_not_served_over_https_is_none_of_it():
    authority()
    enrollment = enrolled()
    serving(enrollment, left=-0.5)
    enrollment.domain.enabled = False
    enrollment.domain.save()

    assert alarms() == {}


def test_an_authority_in_trouble_is_spoken_of_until_it_is_well():
    authority()
    Authority.objects.update(failures=5, open_until=timezone.now() + HOUR, problem="It is down.")
    alarm = alarms("certificate_authority")["one"]
    assert "It is down." in alarm.sentence
    assert "There is no other authority: add one" in alarm.sentence
    authority("two", position=20)
    assert "two is asked instead" in alarms("certificate_authority")["one"].sentence

    Authority.objects.update(failures=0, open_until=None)
    assert alarms("certificate_authority") == {}


def test_without_an_authority_somebody_is_told_once_somebody_waits():
    assert alarms("certificate_authority") == {}
    enrolled()
    assert "1 domain waits" in alarms("certificate_authority")["none"].sentence
    authority()
    assert alarms("certificate_authority") == {}


def test_looking_at_many_takes_the_same_few_questions(django_assert_max_num_queries):
    authority()
    for number in range(40):
        serving(enrolled(f"n{number}.example"))
    with django_assert_max_num_queries(8):
        certificates_alarm()


def told(*words, fails=False) -> str:
    out = io.StringIO()
    if fails:
        with pytest.raises(SystemExit) as ended:
            call_command(*words, stdout=out)
        assert ended.value.code == 1
    else:
        call_command(*words, stdout=out)
    return out.getvalue()


def test_the_command_tells_what_is_served_until_when_and_what_is_next():
    authority()
    good = serving(enrolled("www.shop.example", aliases=["shop.example"]))
    good.served = {"edge-1": {"at": 1, "ok": True, "why": ""}, "edge-2": {"at": 1, "ok": True, "why": ""}}
    good.save()
    page = told("certificates")

    assert "www.shop.example  2      Test CA" in page
    assert "2 of 2" in page
    assert f"{good.not_after:%Y-%m-%d}" in page
    assert "renewal on" in page and "a third of its lifetime is left" in page
    assert "Nothing is wrong with 1 certificates." in told("certificates", "--problems")


def test_the_command_fails_where_something_is_wrong():
    authority()
    serving(enrolled("good.example"))
    serving(enrolled("bad.example", attempts=9, problem="Port 80 is closed."), left=0.01)
    page = told("certificates", "--problems", fails=True)

    assert "bad.example" in page and "it ends soon: Port 80 is closed." in page
    assert "good.example" not in page


def test_the_commands_say_so_where_there_is_nothing():
    assert told("certificates") == "No domain serves HTTPS yet.\n"
    assert told("renew_certificates") == "Nothing is due.\n"
    assert "No domain serves HTTPS" in told("renew_certificates", "--dry-run")


def test_a_dry_run_tells_what_would_be_ordered_and_orders_nothing():
    authority(staging_url="https://staging.example/dir")
    enrolled("new.example")
    serving(enrolled("fresh.example"), left=0.9)
    page = told("renew_certificates", "--dry-run").splitlines()

    assert page[0].split() == ["domain", "order", "when", "why", "authority", "names"]
    assert page[1].startswith("new.example    now    now")
    assert "it has no certificate yet" in page[1] and " one " in page[1]
    assert page[2].startswith("fresh.example  later  on 20")
    assert not Enrollment.objects.filter(orders__isnull=False).exists()
    assert "you force it" in told("renew_certificates", "--dry-run", "--force", "--domain", "fresh.example")


def test_a_dry_run_and_the_page_tell_the_same_time_and_reason():
    authority()
    now = timezone.now()
    soon = now + timedelta(minutes=8, seconds=10)
    enrollment = enrolled(requested_at=now, next_attempt_at=soon)

    def told_by_both(why, *, wrong=True):
        for page in (told("certificates", fails=wrong), told("renew_certificates", "--dry-run")):
            assert "in 8 minutes" in page and why in page

    told_by_both("it has no certificate yet", wrong=False)  # whoever has asked for the first one
    serving(enrollment, revoked_at=now - 20 * DAY)
    told_by_both("somebody asked for it")
    Enrollment.objects.update(requested_at=None)
    certificate(enrollment)  # taken back when it was tried
    Certificate.objects.filter(revoked_at=None).update(created_at=now - 19 * DAY)
    told_by_both("the certificate was revoked")
    assert told("renew_certificates") == "Nothing is due.\n"


def test_a_domain_that_nothing_is_ordered_for_is_refused():
    from django.core.management import CommandError

    with pytest.raises(CommandError, match=r"No certificate is ordered for www\.gone\.example"):
        call_command("renew_certificates", "--domain", "www.gone.example")


def test_the_metrics_are_few_however_many_domains_there_are(client):
    authority()
    for number in range(5):
        serving(enrolled(f"n{number}.example"), left=0.55 - number / 10)
    lines = client.get("/metrics").content.decode().splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if line.startswith("cirrus_certificate"))

    assert float(found["cirrus_certificate_expiry_seconds"]) == pytest.approx(13.5 * 86_400, abs=60)
    assert found['cirrus_certificates{standing="well"}'] == "4.0"
    assert found['cirrus_certificates{standing="late"}'] == "1.0"
    assert found["cirrus_certificate_orders_open"] == "0.0"
    assert len(found) < 12
