"""The pages of what the machine does: orders, and how each domain is enrolled."""

import re
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from certificates.models import Certificate, Order
from tests.certificates.renewal.rows import authority, certificate, ended, enrolled, failure, ordered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyspace")]


def page(client, row):
    answer = client.get(reverse(f"admin:certificates_{row._meta.model_name}_change", args=[row.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_order_says_what_the_authority_has_said_and_nothing_where_it_has_said_nothing(admin_client):
    order = ordered(enrolled(), authority())
    Order.objects.update(problem=None)
    text = page(admin_client, order)
    assert not re.search(r">\s*null\s*<", text) and "The same for people" not in text
    assert "Why it failed, or what it waits for." in text
    ended(order, failure(problem={"detail": "Port 80 is <closed>."}))
    assert "Port 80 is &lt;closed&gt;." in page(admin_client, order)


def test_an_enrollment_says_in_words_what_happens_when(admin_client):
    enrollment = enrolled(ari_start=timezone.now(), next_attempt_at=timezone.now())
    text = page(admin_client, enrollment)
    for label in (
        "Looked at again at",
        "Renewal planned for",
        "Renewal window (ARI) from",
        "Renewal window (ARI) until",
        "Renewal window (ARI) asked for again at",
        "Renewal window (ARI) explained at",
    ):
        assert label in text
    assert "Ari " not in text and "Next attempt" not in text


def test_serial_numbers_of_before_are_given_the_zero_that_openssl_prints():
    enrollment = enrolled()
    for serial in ("a17", "0b", "ff01"):
        certificate(enrollment, serial=serial)
    migration = import_module("certificates.migrations.0002_words_and_serial_numbers")
    for _ in range(2):
        migration.pad_serial_numbers(apps, connection.schema_editor())
        found = Certificate.objects.filter(source="acme").values_list("serial", flat=True)
        assert set(found) == {"0a17", "0b", "ff01"}
