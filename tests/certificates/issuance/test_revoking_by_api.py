"""Revoking by the API with an Idempotency-Key, at a real authority."""

import os
import signal
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.signals import post_save, pre_save

from api.idempotency import ABANDONED
from api.models import IdempotentRequest
from certificates.models import Certificate, Enrollment
from tests.api.conftest import client_with, secret_for, user_with
from tests.certificates.issuance.world import Child

AT = "/api/v1/enrollments/www.cdn.example"


@pytest.fixture
def certificate(world):
    """A certificate of the authority that a domain serves."""
    enrollment = world.enroll("www.cdn.example")
    made = world.issue(enrollment).certificate
    Enrollment.objects.filter(pk=enrollment.pk).update(current=made)
    return made


@pytest.fixture
def revoke(certificate):
    """Ask for it, with one key."""
    client = client_with(secret_for(user_with("superuser")))
    return lambda: client.post(f"{AT}/revoke", {"reason": "superseded"}, HTTP_IDEMPOTENCY_KEY="once")


def killed(revoke, when):
    """Ask for it in a process that is killed when the certificate is saved: before (`pre_save`) or after."""

    def work():
        when.connect(lambda **_: os.kill(os.getpid(), signal.SIGKILL), sender=Certificate, weak=False)
        revoke()

    assert Child(work).wait() == -signal.SIGKILL


def abandon():
    """Let the time pass after which a request that has not ended counts as gone."""
    note = IdempotentRequest.objects.get()
    IdempotentRequest.objects.update(begun_at=note.begun_at - ABANDONED - timedelta(seconds=1))


def test_no_transaction_waits_for_the_authority_and_the_answer_is_told_again(world, certificate, revoke):
    waiting = []
    note = lambda **_: waiting.append(connection.in_atomic_block)  # noqa: E731
    pre_save.connect(note, sender=Certificate)  # right after the authority's yes
    first, again = revoke(), revoke()
    assert waiting == [False]
    assert world.ca.status_of(int(certificate.serial, 16)) == "Revoked"
    assert (first.status_code, again.status_code) == (200, 200), first.content
    assert again.json() == first.json() and again["Idempotency-Replayed"] == "true"


def test_what_the_authority_has_done_is_noted_though_the_request_was_killed(world, certificate, revoke):
    killed(revoke, post_save)
    certificate.refresh_from_db()
    assert (certificate.revocation_reason, certificate.revoked_at is None) == ("superseded", False)
    assert world.ca.status_of(int(certificate.serial, 16)) == "Revoked"
    assert revoke().json()["type"] == "/api/v1/problems/still-running"
    abandon()
    assert "already" in revoke().json()["detail"]


def test_a_yes_that_was_never_noted_is_noted_when_it_is_asked_for_again(world, certificate, revoke):
    killed(revoke, pre_save)
    certificate.refresh_from_db()
    assert certificate.revoked_at is None
    assert world.ca.status_of(int(certificate.serial, 16)) == "Revoked"
    abandon()
    assert revoke().status_code == 200
    certificate.refresh_from_db()
    assert certificate.revoked_at
