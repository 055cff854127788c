"""Many orders at once, with an authority in a bad mood: all are done without a hand."""

import time

import pytest
from django.db import connections

from certificates.issuance.orders import order_advance
from certificates.issuance.outcomes import Failed, Waiting
from certificates.models import Certificate, Order
from tests.certificates.issuance.conftest import (  # noqa: F401
    ca,
    edges,
    listener,
    one_ca,
    one_resolver,
    resolver,
    start_ca,
    world,
)
from tests.certificates.issuance.world import Child, nothing_left

pytestmark = pytest.mark.system

#: Names, one a domain; workers; and seconds that they may need on a small and busy machine.
NAMES, WORKERS, WITHIN = 200, 2, 240


@pytest.mark.timeout(WITHIN + 60)
def test_two_hundred_names_are_issued_without_a_hand_while_nonces_are_refused(start_ca, world):  # noqa: F811
    world.authority = world.add_authority(start_ca(bad_nonces=5), name="Chaos")
    for number in range(NAMES):
        world.open(world.enroll(f"n{number:03}.cdn.example"))
    began = time.monotonic()

    def work():
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline:
            # Each begins elsewhere; one that another has taken is passed over.
            some = Order.objects.filter(ended_at=None, leased_until=None).order_by("?")[:5]
            ids = [order.pk for order in some]
            if not ids and not Order.objects.filter(ended_at=None).exists():
                return
            for pk in ids:
                outcome = order_advance(pk)
                assert not isinstance(outcome, Failed), outcome
                if isinstance(outcome, Waiting):
                    time.sleep(0.02)
        raise AssertionError("not in time")

    workers = [Child(work) for _ in range(WORKERS)]
    assert [worker.wait() for worker in workers] == [0] * WORKERS
    took = time.monotonic() - began
    connections.close_all()
    print(f"{NAMES} names in {took:.1f} s with {WORKERS} workers")
    assert Certificate.objects.filter(source="acme").count() == NAMES
    assert Order.objects.filter(state=Order.State.ISSUED).count() == NAMES
    nothing_left(world)
