"""When certificates end, by week, and the lists that an operator looks at."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from certificates.admin.calendar import MOST_NAMED, Ending, weeks
from certificates.checks.reading import read_pem
from certificates.deployment.storing import certificate_store
from certificates.models import Authority, Backoff, Certificate, Enrollment, Order, TicketKey
from certificates.renewal.policy import Life
from tests.certificates.house import DAY, NOW, the_house
from tests.factories import DomainFactory

WEDNESDAY = datetime(2026, 11, 25, 12, tzinfo=UTC)


def ending(days, *, host="www.example.com", life=90, **more):
    end = WEDNESDAY + timedelta(days=days)
    return Ending(1, host, Life(end - timedelta(days=life), end), **more)


def rows(*found):
    return [(week.title, week.count) for week in weeks(found, now=WEDNESDAY)]


def test_certificates_stand_in_the_week_in_which_they_end():
    assert rows(ending(-3), ending(0.1), ending(4), ending(5), ending(20), ending(600)) == [
        ("Ended", 1),
        ("This week, from 2026-11-23", 2),
        ("Next week, from 2026-11-30", 1),
        ("In 3 weeks, from 2026-12-14", 1),
        ("Later", 1),
    ]


def test_what_ended_today_has_ended():
    assert rows(ending(-0.01)) == [("Ended", 1)]


def test_what_is_left_is_told_as_a_share_of_each_lifetime():
    (week,) = weeks([ending(3, life=6), ending(3, life=90), ending(3, life=398)], now=WEDNESDAY)
    assert [each.percent for each in week.endings] == [50, 3, 1]
    assert [each.late for each in week.endings] == [False, True, True]


def test_a_week_names_only_so_many_and_counts_the_rest():
    (week,) = weeks((ending(1, host=f"{n}.example") for n in range(MOST_NAMED + 5)), now=WEDNESDAY)
    assert (len(week.endings), week.count, week.more) == (MOST_NAMED, MOST_NAMED + 5, 5)


def issued(host, **more):
    domain = DomainFactory(host=host, tls=True)
    row = Enrollment.objects.get(domain=domain)
    material = read_pem(*the_house().bundle(host, **more))
    row.current = certificate_store(material, source=Certificate.Source.ACME, enrollment=row)
    row.save()
    return row


@pytest.mark.django_db(transaction=True)
def test_the_calendar_shows_every_domain_with_a_real_certificate(admin_client, keyspace):
    there = reverse("admin:certificates_calendar")
    DomainFactory(host="waits.example", tls=True)
    assert "No domain serves a certificate yet" in admin_client.get(there).content.decode()
    issued("a.example", end=NOW + 20 * DAY)
    by_hand = issued("b.example", end=NOW + 20 * DAY)
    by_hand.source = Enrollment.Source.UPLOAD
    by_hand.save()
    text = admin_client.get(there).content.decode()
    assert "2 certificates, 1 uploaded by hand" in text and "% of its life left" in text
    assert "waits.example" not in text


@pytest.mark.django_db(transaction=True)
def test_the_list_says_who_uses_each_certificate(admin_client, keyspace, django_assert_max_num_queries):
    row = issued("a.example")
    row.previous, row.current = row.current, issued("*.site.example").current
    row.save()
    there = reverse("admin:certificates_certificate_changelist")
    with django_assert_max_num_queries(20):
        text = admin_client.get(there).content.decode()
    assert "*.site.example and a.example" in text and "a.example (kept for a step back)" in text
    for use, count in (("served", 1), ("previous", 1), ("none", 0)):
        found = admin_client.get(there, {"use": use}).context["cl"].queryset
        assert found.exclude(source="placeholder").count() == count, use


@pytest.mark.django_db(transaction=True)
def test_every_list_is_shown_empty_and_full(admin_client, keyspace):
    models = [Certificate, Enrollment, Order, Backoff, TicketKey, Authority]
    lists = [reverse(f"admin:certificates_{model._meta.model_name}_changelist") for model in models]
    for there in lists:
        assert admin_client.get(there).status_code == 200
    row = issued("a.example")
    authority = Authority.objects.create(name="own", directory_url="https://127.0.0.1:9/dir")
    order = Order.objects.create(enrollment=row, authority=authority, names=["a.example"], key="sealed-key")
    Backoff.objects.create(name="a.example", authority=authority, failures=3, next_at=NOW, problem="No.")
    TicketKey.objects.create(label="t1", active_from=NOW, key="sealed-ticket")
    for there in lists:
        assert admin_client.get(there).status_code == 200
    for item in (row, row.current, order, authority, Backoff.objects.get(), TicketKey.objects.get()):
        there = reverse(f"admin:certificates_{item._meta.model_name}_change", args=[item.pk])
        answer = admin_client.get(there)
        assert answer.status_code == 200, there
        assert "sealed-" not in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_how_a_domain_is_enrolled_can_be_chosen(admin_client, keyspace):
    row = issued("a.example")
    there = reverse("admin:certificates_enrollment_change", args=[row.pk])
    data = {"source": "acme", "challenge": "dns-01", "key_type": "rsa-2048", "authority": ""}
    assert admin_client.post(there, data).status_code == 302
    row.refresh_from_db()
    assert (row.challenge, row.key_type) == ("dns-01", "rsa-2048")
