"""Orders at a real authority, from the first request to the stored certificate."""

import logging
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.utils import timezone

from accounts.sealing import open_sealed
from certificates.issuance.chains import alternative_names
from certificates.issuance.challenges import challenges_sweep
from certificates.issuance.errors import NotOrdered, NotRevoked
from certificates.issuance.keys import load_key, same_key
from certificates.issuance.orders import order_advance, order_open
from certificates.issuance.outcomes import FailureKind, Issued, Waiting
from certificates.issuance.revocation import certificate_revoke
from certificates.models import AuthorityAccount, Authorization, Certificate, Order
from dnszones.models import Challenge, Site
from tests.certificates.issuance.world import failed, issued, nothing_left
from tests.dnszones.factories import RecordFactory

EAB_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


# ── each kind of challenge ──────────────────────────────────────────────────────────────────────


def test_a_name_outside_our_zones_is_proven_at_the_edges(world):
    enrollment = world.enroll("www.shop.example", aliases=["shop.example"])
    certificate = issued(world.issue(enrollment))
    assert alternative_names(certificate) == ("shop.example", "www.shop.example")
    assert len(world.edges.asked) >= 2
    nothing_left(world)


def test_a_name_inside_our_zone_is_proven_there(world):
    certificate = issued(world.issue(world.enroll("www.cdn.example")))
    assert alternative_names(certificate) == ("www.cdn.example",)
    assert world.edges.asked == []
    nothing_left(world)


def test_a_wildcard_and_its_base_name_are_proven_in_one_order(world):
    enrollment = world.enroll("cdn.example", aliases=["*.cdn.example", "www.cdn.example"])
    certificate = issued(world.issue(enrollment))
    assert alternative_names(certificate) == ("*.cdn.example", "cdn.example")
    assert world.ca.orders == 1
    nothing_left(world)


def test_a_wildcard_is_proven_by_dns_and_a_name_beside_it_at_the_edges(world):
    enrollment = world.enroll("*.cdn.example", aliases=["cdn.example", "www.shop.example"])
    certificate = issued(world.issue(enrollment))
    assert alternative_names(certificate) == ("*.cdn.example", "cdn.example", "www.shop.example")
    assert {asked.partition("/")[0].partition(":")[0] for asked in world.edges.asked} == {"www.shop.example"}
    assert world.ca.orders == 1
    nothing_left(world)


def test_only_the_record_that_a_wildcard_needs_is_asked_for(world):
    enrollment = world.enroll("*.wild.example", aliases=["www.shop.example"])
    outcome = failed(world.issue(enrollment))
    assert outcome.kind == FailureKind.CHALLENGE
    assert "_acme-challenge.wild.example. CNAME" in outcome.sentence
    assert "shop.example" not in outcome.sentence
    assert world.ca.orders == 0


def test_a_delegated_name_is_proven_below_its_access_name(world):
    enrollment = world.enroll("*.elsewhere.example", aliases=["elsewhere.example"])
    outcome = failed(world.issue(enrollment))
    access = f"_acme-challenge.{Site.objects.get(domain=enrollment.domain).access_name}"
    assert outcome.kind == FailureKind.CHALLENGE
    assert f"reate this record: _acme-challenge.elsewhere.example. CNAME {access}." in outcome.sentence
    assert world.ca.orders == 0
    world.resolver.aliases["_acme-challenge.elsewhere.example"] = access
    certificate = issued(world.issue(enrollment))
    assert alternative_names(certificate) == ("*.elsewhere.example", "elsewhere.example")
    nothing_left(world)


def test_the_kind_of_challenge_that_was_chosen_is_taken(world):
    assert issued(world.issue(world.enroll("www.cdn.example", challenge="http-01")))
    assert world.edges.asked
    outcome = failed(world.issue(world.enroll("*.wild.example", challenge="http-01")))
    assert "which only DNS-01 proves" in outcome.sentence


def test_a_cname_in_our_own_zone_where_the_challenge_belongs_is_told_of(world):
    RecordFactory(zone=world.zone, name="_acme-challenge.www", type="CNAME", value="x.example.")
    outcome = failed(world.issue(world.enroll("www.cdn.example", challenge="dns-01")))
    assert "is a CNAME in our zone cdn.example: delete that record" in outcome.sentence


def test_a_proof_that_the_authority_remembers_is_not_shown_again(start_ca, world):
    world.authority = world.add_authority(start_ca(reuse=100), name="Reuser")
    enrollment = world.enroll("www.cdn.example")
    assert issued(world.issue(enrollment))
    again = world.open(enrollment)
    states = []
    assert isinstance(order_advance(again.pk, progress=states.append), Issued)
    assert "ask challenge" not in states
    assert "state publishing" not in states


# ── what is stored ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key_type", ["ecdsa-p256", "ecdsa-p384", "rsa-2048"])
def test_the_certificate_is_stored_with_its_key_sealed_for_the_edges(world, key_type):
    enrollment = world.enroll("www.cdn.example", key_type=key_type)
    certificate = issued(world.issue(enrollment))
    row = Certificate.objects.get(fingerprint__gt="", source="acme")
    key = open_sealed(row.key, record=f"certificate:{row.fingerprint}", ring="edges")
    assert same_key(key, certificate)
    assert row.names == ["www.cdn.example"]
    assert (row.not_before, row.not_after) == (
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )
    assert int(row.serial, 16) == certificate.serial_number and len(row.serial) % 2 == 0
    assert row.ari_id.count(".") == 1
    assert row.authority == world.authority
    order = Order.objects.get()
    assert (order.state, order.key, order.certificate) == (Order.State.ISSUED, "", row)
    assert order.ended_at and order.leased_until is None


def test_advancing_an_order_that_has_ended_gives_its_outcome_again(world):
    order = world.open(world.enroll("www.cdn.example"))
    first = world.finish(order)
    assert order_advance(order.pk) == first
    assert world.ca.orders == 1
    bad = world.open(world.enroll("blocked.example", challenge="http-01"))
    outcome = failed(world.finish(bad))
    assert order_advance(bad.pk) == outcome


def test_opening_an_order_twice_gives_the_open_one(world):
    enrollment = world.enroll("www.cdn.example")
    assert world.open(enrollment) == world.open(enrollment)
    assert Order.objects.count() == 1


def test_more_names_than_the_authority_takes_are_not_ordered(world):
    world.authority.max_names = 2
    enrollment = world.enroll("a.example", aliases=["b.example", "c.example"])
    with pytest.raises(NotOrdered, match="has 3 names, and Pebble takes at most 2"):
        world.open(enrollment)


def test_a_trial_at_the_staging_environment_is_not_deployed(world):
    enrollment = world.enroll("www.cdn.example")
    with pytest.raises(NotOrdered, match="no staging environment"):
        world.open(enrollment, staging=True)
    world.authority.staging_url = world.authority.directory_url
    world.authority.save()
    assert issued(world.issue(enrollment, staging=True))
    assert Certificate.objects.get(source="acme").staging
    enrollment.refresh_from_db()
    assert enrollment.candidate is None
    assert enrollment.current is None or enrollment.current.source != "acme"


def test_no_key_and_no_key_authorization_is_ever_logged(world, caplog):
    values = []
    world.edges.answer, original = (
        (lambda token: values.append(original(token)) or values[-1]),
        world.edges.answer,
    )
    with caplog.at_level(logging.DEBUG):
        assert issued(world.issue(world.enroll("www.shop.example")))
        assert issued(world.issue(world.enroll("www.cdn.example")))
    row = Certificate.objects.filter(source="acme").first()
    der = open_sealed(row.key, record=f"certificate:{row.fingerprint}", ring="edges")
    pem = load_key(der).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert "acme_certificate_issued" in caplog.text
    assert values
    secrets = [value.decode() for value in values if value] + [pem.splitlines()[1], der.hex()]
    for secret in secrets:
        assert secret not in caplog.text
    assert "certificate_issued order=" in caplog.text


# ── accounts ────────────────────────────────────────────────────────────────────────────────────


def test_the_account_is_made_once_and_made_anew_when_the_authority_has_lost_it(world):
    assert issued(world.issue(world.enroll("a.cdn.example")))
    assert issued(world.issue(world.enroll("b.cdn.example")))
    account = AuthorityAccount.objects.get()
    world.ca.stop()
    world.ca.start()
    assert issued(world.issue(world.enroll("c.cdn.example")))
    assert AuthorityAccount.objects.get().key == account.key


def test_an_order_that_went_with_the_account_is_ended_so_that_a_new_one_can_be_opened(world):
    world.edges.deaf = {"edge-2"}
    order = world.open(world.enroll("www.shop.example"))
    assert isinstance(order_advance(order.pk, patience=0.5), Waiting)
    world.ca.stop()
    world.ca.start()
    world.edges.deaf = set()
    outcome = failed(world.finish(order))
    assert outcome.kind == FailureKind.ORDER_LOST
    assert issued(world.issue(order.enrollment))
    nothing_left(world)


def test_an_authority_that_wants_an_external_account_gets_one(start_ca, world):
    world.authority = world.add_authority(start_ca(eab={"kid-1": EAB_KEY}), name="Bound")
    enrollment = world.enroll("www.cdn.example")
    outcome = failed(world.issue(enrollment))
    assert outcome.kind == FailureKind.ACCOUNT
    assert "wants an external account" in outcome.sentence
    from accounts.sealing import seal

    world.authority.eab_kid = "kid-1"
    world.authority.eab_key = seal(b"d3Jvbmc", record="eab:Bound")
    world.authority.save()
    outcome = failed(world.issue(enrollment))
    assert outcome.kind == FailureKind.ACCOUNT
    world.authority.eab_key = seal(EAB_KEY.encode(), record="eab:Bound")
    world.authority.save()
    assert issued(world.issue(enrollment))


def test_terms_that_nobody_has_agreed_to_are_named(world):
    world.authority.terms_agreed = False
    world.authority.save()
    outcome = failed(world.issue(world.enroll("www.cdn.example")))
    assert outcome.kind == FailureKind.ACCOUNT
    assert "agree to them" in outcome.sentence
    assert world.ca.accounts == 0


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("share", [5, 50])
def test_refused_nonces_are_nobodys_business(start_ca, world, share):
    world.authority = world.add_authority(start_ca(bad_nonces=share), name="Chaos")
    for number in range(3):
        assert issued(world.issue(world.enroll(f"n{number}.cdn.example")))
    assert Order.objects.filter(state=Order.State.ISSUED).count() == 3


def test_a_slow_validation_is_waited_for_in_turns(start_ca, world):
    world.authority = world.add_authority(start_ca(slow=3), name="Slow")
    order = world.open(world.enroll("www.cdn.example"))
    outcomes = []
    while not outcomes or isinstance(outcomes[-1], Waiting):
        outcomes.append(order_advance(order.pk, patience=0.2))
    assert issued(outcomes[-1])


def test_a_name_that_the_authority_never_issues_for_is_told(world):
    outcome = failed(world.issue(world.enroll("blocked.example", challenge="http-01")))
    assert outcome.kind == FailureKind.REJECTED_IDENTIFIER
    assert "Pebble does not issue for blocked.example" in outcome.sentence
    nothing_left(world)


def test_a_wrong_answer_ends_the_order_and_leaves_nothing_behind(world):
    world.edges.wrong = b"somebody else's page"
    outcome = failed(world.issue(world.enroll("www.shop.example")))
    assert outcome.kind == FailureKind.UNAUTHORIZED
    assert outcome.names == ("www.shop.example",)
    assert "check that it points at the edges" in outcome.sentence
    nothing_left(world)


def test_a_name_that_leads_nowhere_ends_the_order(world):
    world.resolver.addresses["www.shop.example"] = ["127.0.0.9"]
    world.edges.server.server_close()
    outcome = failed(world.issue(world.enroll("www.shop.example")))
    assert outcome.kind in (FailureKind.CONNECTION, FailureKind.UNAUTHORIZED)
    nothing_left(world)


def test_an_authority_that_is_down_fails_at_once_so_that_another_can_be_asked(world):
    world.ca.stop()
    outcome = failed(world.issue(world.enroll("www.cdn.example")))
    assert outcome.kind == FailureKind.CA_DOWN
    assert "cannot be asked: no connection can be made" in outcome.sentence


def test_an_authority_that_goes_down_in_the_middle_keeps_its_order(world):
    order = world.open(world.enroll("www.cdn.example"))

    def progress(what):
        if what == "state ordered":
            world.ca.stop()

    outcome = order_advance(order.pk, progress=progress)
    assert isinstance(outcome, Waiting)
    order.refresh_from_db()
    assert order.state == Order.State.ORDERED
    assert timedelta(seconds=3) < order.due_at - timezone.now() < timedelta(seconds=6)


def test_nothing_is_answered_before_every_edge_has_the_challenge(world):
    world.edges.deaf = {"edge-2"}
    order = world.open(world.enroll("www.shop.example"))
    asked = []
    outcome = order_advance(order.pk, patience=1, progress=asked.append)
    assert isinstance(outcome, Waiting)
    assert "edge-2" in outcome.why
    assert "ask challenge" not in asked
    order.refresh_from_db()
    assert (order.state, order.sentence) == (Order.State.PUBLISHING, outcome.why)
    world.edges.deaf = set()
    assert issued(world.finish(order))


def test_an_order_that_takes_too_long_to_be_seen_fails_and_leaves_nothing_behind(world):
    world.edges.deaf = {"edge-2"}
    order = world.open(world.enroll("www.shop.example"))
    assert isinstance(order_advance(order.pk, patience=0.3), Waiting)
    Order.objects.update(created_at=timezone.now() - timedelta(hours=1))
    outcome = failed(order_advance(order.pk, patience=0.3))
    assert outcome.kind == FailureKind.NOT_SEEN
    assert "edge-2" in outcome.sentence
    nothing_left(world)


def test_a_domain_that_is_deleted_in_the_middle_leaves_nothing_behind(world):
    order = world.open(world.enroll("www.cdn.example"))

    def progress(what):
        if what == "state answering":
            order.enrollment.domain.delete()

    outcome = order_advance(order.pk, progress=progress)
    assert isinstance(outcome, Waiting)
    assert failed(order_advance(order.pk)).kind == FailureKind.ORDER_LOST
    Challenge.objects.update(created_at=timezone.now() - timedelta(days=2))
    challenges_sweep()
    nothing_left(world)


def test_the_sweep_leaves_the_challenges_of_open_orders_alone(world):
    world.edges.deaf = {"edge-2"}
    order = world.open(world.enroll("www.cdn.example", aliases=["b.cdn.example"]))

    def progress(what):
        if what == "state answering":
            raise KeyboardInterrupt  # a worker that is told to go

    with pytest.raises(KeyboardInterrupt):
        order_advance(order.pk, progress=progress)
    Challenge.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert challenges_sweep() == 0
    assert Challenge.objects.count() == 2
    assert Authorization.objects.filter(order=order).exclude(value="").count() == 2


# ── revocation ──────────────────────────────────────────────────────────────────────────────────


def test_a_certificate_is_revoked_once_with_a_reason(world):
    outcome = world.issue(world.enroll("www.cdn.example"))
    certificate = outcome.certificate
    serial = issued(outcome).serial_number
    assert world.ca.status_of(serial) == "Valid"
    with pytest.raises(NotRevoked, match="no reason for that"):
        certificate_revoke(certificate=certificate, reason="whim")
    certificate_revoke(certificate=certificate, reason="superseded")
    assert world.ca.status_of(serial) == "Revoked"
    certificate.refresh_from_db()
    assert (certificate.revocation_reason, certificate.revoked_at is None) == ("superseded", False)
    certificate_revoke(certificate=certificate, reason="superseded")
    Certificate.objects.filter(pk=certificate.pk).update(revoked_at=None)
    certificate.refresh_from_db()
    certificate_revoke(certificate=certificate, reason="superseded")  # as after a crash
    assert certificate.revoked_at


def test_a_certificate_of_somebody_else_or_of_a_dead_authority_is_not_revoked_silently(world):
    certificate = world.issue(world.enroll("www.cdn.example")).certificate
    world.ca.stop()
    with pytest.raises(NotRevoked, match="cannot be asked"):
        certificate_revoke(certificate=certificate)
    certificate.authority = None
    with pytest.raises(NotRevoked, match="where you have got it from"):
        certificate_revoke(certificate=certificate)
    assert order_open
