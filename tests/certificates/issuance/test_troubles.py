"""An authority that says no, or nothing, in the middle of an order."""

import base64
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from certificates.issuance.challenges import Plan
from certificates.issuance.client import AuthorizationSeen, ChallengeSeen
from certificates.issuance.errors import NotRevoked, OrderFails
from certificates.issuance.machine import ORDER_PATIENCE, _authorization, _profile
from certificates.issuance.orders import MOST_TRIES, order_advance
from certificates.issuance.outcomes import FailureKind, Issued, Waiting
from certificates.issuance.revocation import certificate_revoke
from certificates.models import Authority, Enrollment, Order
from tests.ari import Front, Refusal
from tests.certificates.issuance.world import failed, issued, nothing_left


@pytest.fixture
def front(world, tmp_path):
    """A front before the authority, which is asked through it."""
    with Front(world.ca, tmp_path / "front") as made:
        world.authority = world.add_authority(made, name="Moody")
        yield made


def due_in(order):
    order.refresh_from_db()
    return order.due_at - timezone.now()


def test_an_authority_with_trouble_of_its_own_is_asked_again_later_and_later(world, front):
    order = world.open(world.enroll("www.cdn.example"))
    for wait in (5, 10, 20):
        front.refusals.append(Refusal(503, "serverInternal"))
        outcome = order_advance(order.pk)
        assert isinstance(outcome, Waiting)
        assert "has trouble of its own" in outcome.why
        assert timedelta(seconds=wait - 2) < due_in(order) <= timedelta(seconds=wait)
    assert issued(order_advance(order.pk))
    assert world.ca.orders == 1


def test_it_is_given_up_after_some_tries(world, front):
    order = world.open(world.enroll("www.cdn.example"))
    outcomes = []
    while not outcomes or isinstance(outcomes[-1], Waiting):
        front.refusals.append(Refusal(503, "serverInternal"))
        outcomes.append(order_advance(order.pk))
    assert failed(outcomes[-1]).kind == FailureKind.CA_DOWN
    assert len(outcomes) == MOST_TRIES
    nothing_left(world)


def test_an_authority_that_is_away_for_longer_than_an_order_may_take_is_not_waited_for(world, front):
    front.refusals.append(Refusal(503, "serverInternal", retry_after=86_400))
    outcome = failed(order_advance(world.open(world.enroll("www.cdn.example")).pk))
    assert outcome.kind == FailureKind.CA_DOWN
    assert outcome.retry_after > timezone.now() + timedelta(hours=23)
    nothing_left(world)


def test_what_was_uploaded_while_an_order_was_under_way_stays(world):
    enrollment = world.enroll("www.cdn.example")
    order = world.open(enrollment)

    def upload(what):
        if what == "state ready":
            Enrollment.objects.filter(pk=enrollment.pk).update(source=Enrollment.Source.UPLOAD)

    assert issued(order_advance(order.pk, progress=upload))
    enrollment.refresh_from_db()
    assert enrollment.candidate is None


def test_a_limit_ends_an_order_that_is_not_placed_yet_and_tells_until_when(world, front):
    front.refusals.append(Refusal(429, "rateLimited", retry_after=3600, identifier="www.cdn.example"))
    outcome = failed(world.issue(world.enroll("www.cdn.example")))
    assert outcome.kind == FailureKind.RATE_LIMITED
    assert outcome.names == ("www.cdn.example",)
    assert timedelta(minutes=59) < outcome.retry_after - timezone.now() <= timedelta(hours=1)
    assert world.ca.orders == 0


def test_an_order_that_is_placed_outlives_an_outage(world, front):
    order = world.open(world.enroll("www.cdn.example"))

    def outage(what):
        front.down = what == "state validating"

    assert isinstance(order_advance(order.pk, progress=outage), Waiting)
    assert Order.objects.get().state == Order.State.VALIDATING
    front.down = False
    assert issued(order_advance(order.pk))
    assert world.ca.orders == 1


def test_what_a_certificate_replaces_is_told_and_left_out_where_it_is_refused(world, front):
    enrollment = world.enroll("www.cdn.example")
    first = world.issue(enrollment).certificate
    assert isinstance(world.issue(enrollment, replaces=first.ari_id), Issued)
    front.refusals.append(Refusal(409, "alreadyReplaced"))
    assert isinstance(world.issue(enrollment, replaces=first.ari_id), Issued)
    assert front.replaced[1:] == [first.ari_id, ""]


def test_it_is_not_told_to_an_authority_without_renewal_information(world):
    enrollment = world.enroll("www.cdn.example")
    assert isinstance(world.issue(enrollment, replaces="some.identifier"), Issued)


def test_an_order_that_the_authority_has_forgotten_ends(world, front):
    order = world.open(world.enroll("www.cdn.example"))

    def lost(what):
        if what == "state ordered":
            Order.objects.update(url=f"https://{front.host}/my-order/nowhere")
            raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        order_advance(order.pk, progress=lost)
    assert failed(order_advance(order.pk)).kind == FailureKind.ORDER_LOST


def test_an_order_of_yesterday_is_not_waited_for(world, front):
    order = world.open(world.enroll("www.shop.example"))
    world.edges.deaf = {"edge-1"}
    Order.objects.update(created_at=timezone.now() - ORDER_PATIENCE - timedelta(seconds=1))
    outcome = failed(order_advance(order.pk, patience=0.2))
    assert "is not done after 30 minutes" in outcome.sentence


def test_an_order_that_nothing_brings_forward_is_given_up_after_a_day(world):
    order = world.open(world.enroll("www.cdn.example"))
    Order.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    assert failed(order_advance(order.pk)).kind == FailureKind.ORDER_LOST
    assert world.ca.orders == 0


def test_a_sealing_key_that_is_missing_is_waited_for(world, settings):
    first = world.issue(world.enroll("a.cdn.example")).certificate
    right = settings.CIRRUS
    other = base64.b64encode(bytes(32)).decode()
    settings.CIRRUS = right.model_copy(update={"sealing_keys": f"other:{other}"})
    order = world.open(world.enroll("b.cdn.example"))
    outcome = order_advance(order.pk)
    assert isinstance(outcome, Waiting)
    assert "CIRRUS_SEALING_KEYS must have every key" in outcome.why
    with pytest.raises(NotRevoked, match="CIRRUS_SEALING_KEYS"):
        certificate_revoke(certificate=first)
    settings.CIRRUS = right
    assert issued(order_advance(order.pk))


def test_a_mistake_of_ours_leaves_the_order_for_the_next_worker(world):
    order = world.open(world.enroll("www.cdn.example"))

    def mistake(what):
        if what == "state answering":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        order_advance(order.pk, progress=mistake)
    order.refresh_from_db()
    assert order.leased_until is None
    assert order.ended_at is None
    assert issued(order_advance(order.pk))


@pytest.mark.parametrize(
    ("wanted", "offered", "ordered"),
    [("short", ["classic", "short"], "short"), ("", ["short"], ""), ("x", [], "")],
)
def test_the_profile_is_ordered_where_the_authority_has_profiles(wanted, offered, ordered):
    order = SimpleNamespace(authority=Authority(name="CA", profile=wanted))
    client = SimpleNamespace(profiles=frozenset(offered))
    assert _profile(SimpleNamespace(order=order, client=client)) == ordered


def test_a_profile_that_is_not_there_is_told_with_those_that_are():
    order = SimpleNamespace(authority=Authority(name="CA", profile="shorter"))
    client = SimpleNamespace(profiles=frozenset({"classic", "short"}))
    with pytest.raises(OrderFails, match="has no profile “shorter”; it has: classic, short"):
        _profile(SimpleNamespace(order=order, client=client))


def test_a_proof_of_a_name_that_was_not_ordered_is_never_shown():
    order = Order(names=["*.a.example"])
    order.authority = Authority(name="CA")
    challenge = ChallengeSeen("https://x/1", "pending", "token", "value", {})
    seen = AuthorizationSeen("https://x", "bank.example", False, "pending", {"dns-01": challenge}, None)
    with pytest.raises(OrderFails, match="bank.example was not ordered"):
        _authorization(SimpleNamespace(order=order), seen, Plan(texts={"*.a.example": "x.example"}))
