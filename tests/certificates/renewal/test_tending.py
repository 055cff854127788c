"""Which orders are opened and brought forward, and by how many at once."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from certificates.issuance.outcomes import FailureKind, Issued
from certificates.models import Authority, Order
from certificates.services.enrollments import enrollments_release
from certificates.services.tending import CLAIM, certificates_tend, orders_settle
from tests.certificates.renewal.rows import (
    authority,
    certificate,
    ended,
    enrolled,
    failure,
    ordered,
    serving,
)

pytestmark = pytest.mark.django_db

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))


def tend(*, in_: timedelta = timedelta()):
    """The orders that tasks are sent for after so much time."""
    return [Order.objects.get(pk=pk) for pk in certificates_tend(now=timezone.now() + in_)]


def test_what_has_no_certificate_is_ordered_once():
    authority()
    enrollment = enrolled("www.shop.example", aliases=["shop.example"])
    (order,) = tend()

    assert (order.enrollment, order.names) == (enrollment, ["www.shop.example", "shop.example"])
    assert (order.staging, order.replaces) == (False, "")
    assert tend() == []
    assert Order.objects.count() == 1


def test_a_renewal_is_ordered_when_its_time_has_come_and_says_what_it_replaces():
    one = authority()
    enrollment = enrolled()
    held = serving(enrollment, left=0.37, authority=one)
    assert tend() == []
    enrollment.refresh_from_db()
    assert timezone.now() < enrollment.next_attempt_at < timezone.now() + 4 * DAY

    (order,) = tend(in_=4 * DAY)
    assert order.replaces == held.ari_id


def test_another_authority_is_not_told_of_what_is_replaced():
    authority("two", position=1)
    serving(enrolled(), left=0.3, authority=authority())

    assert tend()[0].replaces == ""


def test_the_time_that_the_authority_wished_for_counts():
    one = authority()
    wished = timezone.now() + HOUR
    enrollment = enrolled(renew_at=wished, ari_start=wished - HOUR, ari_end=wished + HOUR)
    serving(enrollment, left=0.95, authority=one)

    assert tend() == []
    assert len(tend(in_=2 * HOUR)) == 1


def test_a_name_that_was_added_is_ordered_at_once_and_one_that_went_is_not():
    authority()
    enrollment = enrolled("www.shop.example", aliases=["shop.example"])
    serving(enrollment)
    assert tend() == []
    enrollment.domain.hostnames.get(name="shop.example").delete()
    assert tend() == []

    enrollment.domain.hostnames.create(name="new.shop.example")
    enrollment.next_attempt_at = None
    enrollment.save()
    assert tend()[0].names == ["www.shop.example", "new.shop.example"]


@pytest.mark.parametrize("off", [{"tls": False}, {"enabled": False}])
def test_nothing_is_ordered_for_a_domain_that_is_not_served_over_https(off):
    authority()
    enrollment = enrolled()
    for name, value in off.items():
        setattr(enrollment.domain, name, value)
    enrollment.domain.save()

    assert tend() == []


def test_what_is_uploaded_is_not_renewed():
    authority()
    serving(enrolled(source="upload"), left=-0.1, source="upload")

    assert tend() == []


def test_so_many_are_at_work_at_once_and_no_more(settings):
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"certificate_parallel": 2})
    one = authority()
    for number in range(5):
        enrolled(f"n{number}.example")
    first, second = tend()
    assert tend() == []
    for order in (first, second):
        ended(order, Issued(serving(order.enrollment)))
        order.refresh_from_db()
    assert len(tend()) == 2
    assert Order.objects.filter(ended_at=None, authority=one).count() == 2


def waits(order, *, since: timedelta = timedelta()):
    """The order as it is when its task has found that there is something to wait for."""
    Order.objects.filter(pk=order.pk).update(
        due_at=timezone.now() + 5 * SECOND, sentence="an edge is silent", created_at=timezone.now() - since
    )


def test_an_order_that_waits_makes_room(settings):
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"certificate_parallel": 1})
    authority()
    enrolled("one.example")
    enrolled("two.example")
    (order,) = tend()
    assert tend() == []
    waits(order)

    (other,) = tend()
    assert other.enrollment != order.enrollment


def test_orders_that_wait_for_ever_do_not_keep_others_from_being_opened(settings):
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"certificate_parallel": 3})
    one = authority()
    for number in range(6):
        waits(ordered(enrolled(f"stuck{number}.example"), one), since=10 * MINUTE)
    enrolled("new.example")
    sent = [order.enrollment.domain.host for order in tend(in_=10 * SECOND)]

    assert len(sent) == 3
    assert "new.example" in sent


def test_a_task_that_was_lost_is_sent_again_when_its_claim_has_run_out():
    authority()
    enrolled()
    (order,) = tend()

    assert tend(in_=CLAIM - MINUTE) == []
    assert tend(in_=CLAIM + MINUTE) == [order]
    assert Order.objects.count() == 1


def test_an_order_whose_worker_holds_it_is_left_to_that():
    one = authority()
    order = ordered(enrolled(), one)
    Order.objects.filter(pk=order.pk).update(leased_until=timezone.now() + HOUR)
    assert tend() == []
    assert tend(in_=2 * HOUR) == [order]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("keyspace")
def test_many_that_tend_at_once_send_each_order_once_and_never_too_many(settings):
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"certificate_parallel": 3})
    authority()
    for number in range(8):
        enrolled(f"n{number}.example")
    start, claimed = threading.Barrier(4), []

    def work():
        start.wait()
        claimed.extend(certificates_tend())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 3


def test_what_was_issued_and_did_not_reach_the_edges_is_not_ordered_again():
    authority()
    enrollment = enrolled()
    serving(enrollment, left=0.2)
    certificate(enrollment, left=1.0)

    assert tend() == []
    assert tend(in_=3 * DAY) == []
    assert len(tend(in_=5 * DAY)) == 1


@pytest.mark.parametrize("left", [None, 0.2])
def test_what_was_issued_and_taken_back_is_ordered_again_before_it_is_too_late(left):
    authority()
    enrollment = enrolled()
    if left:
        serving(enrollment, left=left)
    (order,) = tend()
    ended(order, Issued(certificate(enrollment, left=1.0)))

    assert tend() == []
    assert len(tend(in_=5 * DAY)) == 1


def test_what_was_issued_and_is_in_use_waits_for_its_renewal():
    authority()
    enrollment = enrolled()
    (order,) = tend()
    ended(order, Issued(serving(enrollment, left=1.0)))

    assert tend() == tend(in_=5 * DAY) == tend(in_=50 * DAY) == []
    assert len(tend(in_=61 * DAY)) == 1


def test_a_worker_killed_before_it_settled_leaves_that_to_the_next_one():
    one = authority()
    enrollment = enrolled()
    (order,) = tend()
    ended(order, failure(FailureKind.DNS))
    tend()
    enrollment.refresh_from_db()

    assert enrollment.attempts == 1
    order.refresh_from_db()
    assert order.settled_at is not None
    assert one.orders.count() == 1


def test_more_names_than_any_authority_takes_are_told_in_a_sentence():
    authority(max_names=3)
    enrollment = enrolled("www.shop.example", aliases=[f"a{n}.shop.example" for n in range(5)])
    assert tend() == []
    enrollment.refresh_from_db()

    assert enrollment.problem.startswith("The domain has 6 names, and no authority takes so many")
    authority("large", position=50, max_names=10)
    assert tend(in_=2 * HOUR)[0].authority.name == "large"


def test_without_an_authority_it_says_so():
    enrollment = enrolled()
    assert tend() == []
    enrollment.refresh_from_db()

    assert enrollment.problem == "No certificate authority is enabled for it: add or enable one."


def resting():
    """The only authority, which is left alone for an hour; to save one would end that."""
    found = authority()
    Authority.objects.update(open_until=timezone.now() + HOUR, failures=3, problem="one cannot be asked.")
    return found


def test_while_every_authority_is_left_alone_it_says_so_until_one_is_asked():
    one = resting()
    enrollment = enrolled()
    assert tend() == []
    enrollment.refresh_from_db()
    assert enrollment.problem == "No authority may be asked now: one cannot be asked."

    enrollments_release(authority=one)
    ended(tend()[0], Issued(certificate(enrollment)))
    orders_settle(now=timezone.now())
    enrollment.refresh_from_db()
    assert enrollment.problem == ""


def test_what_nobody_could_be_asked_for_is_forgotten_with_the_name_that_it_was_about():
    resting()
    enrollment = enrolled(aliases=["shop.example"])
    serving(enrollment, names=["www.shop.example"])
    assert tend() == []
    enrollment.refresh_from_db()
    assert enrollment.problem

    enrollment.domain.hostnames.get(name="shop.example").delete()
    assert tend(in_=2 * HOUR) == []
    enrollment.refresh_from_db()
    assert enrollment.problem == ""


def test_the_authority_that_was_chosen_is_asked_alone():
    authority()
    two = authority("two", position=20)
    enrollment = enrolled(authority=two)
    ended(tend()[0], failure(FailureKind.CA_DOWN))
    orders_settle(now=timezone.now())

    assert tend() == []
    assert [order.authority for order in enrollment.orders.all()] == [two]


def test_a_look_at_many_takes_the_same_few_questions(django_assert_max_num_queries):
    authority()
    for number in range(60):
        serving(enrolled(f"n{number}.example", next_attempt_at=timezone.now() + DAY))
    with django_assert_max_num_queries(8):
        assert certificates_tend() == []


def test_one_that_cannot_be_planned_or_settled_holds_up_nobody(caplog):
    one = authority()
    broken = enrolled("broken.example")
    serving(broken, names=[["not", "a", "name"]])
    ended(ordered(enrolled("odd.example"), one), failure())
    Order.objects.update(problem={"kind": "of no kind that we know"})
    enrolled("good.example")
    hosts = {order.enrollment.domain.host for order in tend()}

    assert "good.example" in hosts and "broken.example" not in hosts
    assert "no order can be opened for broken.example" in caplog.text
    assert "cannot be settled" in caplog.text
