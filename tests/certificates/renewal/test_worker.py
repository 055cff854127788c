"""Certificates come by themselves: a real Celery worker, a real authority, and nobody else."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from certificates.models import Certificate, Order
from certificates.tasks import tend
from tests.certificates.issuance.world import leases_expire
from tests.factories import DomainFactory
from tests.servers import ROOT, eventually

pytestmark = pytest.mark.system


@contextmanager
def worker():
    """A worker with the database and the Redis of this test; killed with all its processes at the end."""
    database = connection.settings_dict
    url = f"sqlite:///{database['NAME']}" if connection.vendor == "sqlite" else os.environ["DATABASE_URL"]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "cirrus_site",
            "worker",
            "--concurrency=2",
            "--without-gossip",
        ],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "cirrus_site.settings"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)


def issued() -> int:
    return Order.objects.filter(state=Order.State.ISSUED).count()


def test_a_domain_has_its_certificate_seconds_after_https_was_turned_on(world):
    domain = DomainFactory(host="www.cdn.example")
    with worker():
        domain.tls = True
        domain.save()
        eventually(lambda: issued() == 1, within=60)
        eventually(lambda: Order.objects.filter(settled_at=None).count() == 0, within=20)
        domain.hostnames.create(name="shop.cdn.example")
        eventually(lambda: issued() == 2, within=60)

    newest = Certificate.objects.exclude(source=Certificate.Source.PLACEHOLDER).latest("pk")
    assert sorted(newest.names) == ["shop.cdn.example", "www.cdn.example"]
    assert world.ca.orders == 2


def test_what_a_killed_worker_has_left_the_next_one_brings_to_its_end_and_orders_nothing_twice(world):
    for number in range(5):
        DomainFactory(host=f"n{number}.cdn.example", tls=True)
    with worker():
        eventually(lambda: Order.objects.exclude(leased_until=None).exclude(state="new").exists(), within=60)
    assert issued() < 5

    leases_expire()
    Order.objects.filter(ended_at=None).update(due_at=timezone.now() - timedelta(seconds=1))
    with worker():
        tend.delay()
        eventually(lambda: issued() == 5, within=90)
    assert world.ca.orders == 5
    assert Order.objects.count() == 5
