"""A worker may die anywhere: whoever comes next goes on, and never orders twice."""

import time

import pytest
from django.db import connections

from certificates.issuance.errors import LeaseLost
from certificates.issuance.lease import lease_take
from certificates.issuance.orders import order_advance, order_open
from certificates.issuance.outcomes import Issued, Waiting
from certificates.models import AuthorityAccount, Certificate, Enrollment, Order
from tests.certificates.issuance.world import Child, Killer, issued, leases_expire, nothing_left


def advance(order, progress=lambda _: None):
    return lambda: order_advance(order.pk, progress=progress)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("zone", ["cdn.example", "shop.example"])
def test_a_worker_that_is_killed_at_any_step_leaves_an_order_that_goes_on(world, zone):
    steps = steps_of(world, f"first.{zone}")
    assert {"ask new-account", "asked new-order", "asked finalize", "state deploying"} <= set(steps)
    for number, step in enumerate(steps):
        AuthorityAccount.objects.all().delete()  # so that each makes one
        order = world.open(world.enroll(f"s{number}.{zone}"))
        child = Child(advance(order, Killer(number)))
        assert child.wait() == -9, f"the worker was to be killed at “{step}”"
        if step != "state issued":
            assert isinstance(order_advance(order.pk), Waiting), "its lease holds"
        leases_expire()
        assert issued(world.finish(order)), step
        assert world.ca.orders == number + 2, f"ordered twice after “{step}”"
        assert AuthorityAccount.objects.count() == 1
    assert Certificate.objects.filter(source="acme").count() == len(steps) + 1
    nothing_left(world)


def steps_of(world, host):
    """What `progress` is told of an order that nothing disturbs."""
    steps = []
    order = world.open(world.enroll(host))
    assert isinstance(order_advance(order.pk, progress=steps.append), Issued)
    return steps


def test_a_worker_that_is_killed_again_and_again_comes_to_an_end(world):
    order = world.open(world.enroll("www.cdn.example"))
    killed = 0
    for _ in range(60):
        if Child(advance(order, Killer(2))).wait() == 0:
            break
        killed += 1
        leases_expire()
    assert killed > 3
    assert isinstance(order_advance(order.pk), Issued)
    assert world.ca.orders == 1


def test_two_workers_at_once_place_one_order(world):
    enrollments = [world.enroll(f"r{number}.cdn.example") for number in range(3)]

    def work():
        for enrollment in Enrollment.objects.filter(pk__in=[found.pk for found in enrollments]):
            order = order_open(enrollment=enrollment, authority=world.authority)
            deadline = time.monotonic() + 30
            while isinstance(order_advance(order.pk), Waiting) and time.monotonic() < deadline:
                time.sleep(0.02)

    workers = [Child(work), Child(work)]
    assert [worker.wait() for worker in workers] == [0, 0]
    assert world.ca.orders == 3
    assert Order.objects.filter(state=Order.State.ISSUED).count() == 3
    assert Certificate.objects.filter(source="acme").count() == 3
    connections.close_all()


def test_a_worker_that_was_slow_cannot_write_over_its_successor(world):
    order = world.open(world.enroll("www.cdn.example"))
    slow = lease_take(order.pk)
    assert lease_take(order.pk) is None
    leases_expire()
    quick = lease_take(order.pk)
    assert quick.fence > slow.fence
    with pytest.raises(LeaseLost):
        slow.write(sentence="from the past")
    quick.write(sentence="from now")
    order.refresh_from_db()
    assert order.sentence == "from now"


def test_a_slow_worker_asks_the_authority_for_nothing_once_it_has_lost_its_lease(world):
    order = world.open(world.enroll("www.cdn.example"))

    def overtaken(what):
        if what == "state ordering":
            leases_expire()
            assert issued(order_advance(order.pk))

    assert isinstance(order_advance(order.pk, progress=overtaken), Waiting)
    assert world.ca.orders == 1
