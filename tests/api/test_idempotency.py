"""A POST that comes twice is done once, also where both come at the same time."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from api.idempotency import ABANDONED, requests_expire
from api.models import IdempotentRequest
from edge.models import Kind, Outbox
from nodes.models import Region
from tests.api.conftest import client_with, secret_for, user_with
from tests.factories import DomainFactory

REGIONS = "/api/v1/regions"


def key(text: str) -> dict[str, str]:
    return {"HTTP_IDEMPOTENCY_KEY": text}


@pytest.mark.django_db
class TestOneAfterTheOther:
    def test_the_second_gets_the_answer_of_the_first(self, boss, keyspace):
        first, second = (boss.post(REGIONS, {"name": "us"}, **key('"a-b"')) for _ in range(2))
        assert (first.status_code, second.status_code) == (201, 201)
        assert second.json() == first.json()
        assert second["Location"] == first["Location"]
        assert second["ETag"] == first["ETag"]
        assert second["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first

    def test_the_order_of_fields_makes_no_other_request(self, boss, keyspace):
        for document in ({"name": "us", "title": "A"}, {"title": "A", "name": "us"}):
            assert boss.post(REGIONS, document, **key("a")).status_code == 201

    def test_another_document_with_the_same_key_is_refused(self, boss, keyspace):
        boss.post(REGIONS, {"name": "us"}, **key("a"))
        answer = boss.post(REGIONS, {"name": "eu"}, **key("a"))
        assert (answer.status_code, answer.json()["type"]) == (422, "/api/v1/problems/key-reused")
        assert not Region.objects.filter(name="eu").exists()

    def test_a_key_is_its_callers_alone(self, as_role, keyspace):
        for role, name in (("superuser", "us"), ("administrator", "eu")):
            assert as_role(role).post(REGIONS, {"name": name}, **key("a")).json()["name"] == name

    def test_after_a_refusal_the_key_is_free(self, boss, keyspace):
        assert boss.post(REGIONS, {"name": "Ä"}, **key("a")).status_code == 400
        assert boss.post(REGIONS, {"name": "us"}, **key("a")).status_code == 201

    def test_while_the_first_runs_the_second_is_told_so(self, boss, keyspace):
        boss.post(REGIONS, {"name": "us"}, **key("a"))
        IdempotentRequest.objects.update(status=None)
        answer = boss.post(REGIONS, {"name": "us"}, **key("a"))
        assert (answer.status_code, answer.json()["type"]) == (409, "/api/v1/problems/still-running")
        assert answer["Retry-After"] == "1"

    def test_what_a_killed_process_has_left_is_taken_over(self, boss, keyspace):
        boss.post(REGIONS, {"name": "us"}, **key("a"))
        Region.objects.all().delete()
        IdempotentRequest.objects.update(status=None, begun_at=timezone.now() - ABANDONED - timedelta(1))
        assert boss.post(REGIONS, {"name": "us"}, **key("a")).status_code == 201
        assert Region.objects.count() == 1

    def test_after_a_day_a_key_means_a_new_request(self, boss, keyspace):
        boss.post(REGIONS, {"name": "us"}, **key("a"))
        with time_machine.travel(timezone.now() + timedelta(hours=25)):
            assert boss.post(REGIONS, {"name": "eu"}, **key("a")).status_code == 201
        with time_machine.travel(timezone.now() + timedelta(hours=51)):
            assert requests_expire() == 1

    def test_a_dry_run_is_not_kept(self, boss, keyspace):
        answer = boss.post(f"{REGIONS}?dry_run=true", {"name": "us"}, **key("a"))
        assert answer.json()["status"] == 201
        assert boss.post(REGIONS, {"name": "us"}, **key("a")).status_code == 201

    @pytest.mark.parametrize("wrong", ["", '""', "x" * 256, "ä"])
    def test_a_key_that_is_none_is_refused(self, wrong, boss, keyspace):
        assert boss.post(REGIONS, {"name": "us"}, **key(wrong)).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one(keyspace):
    secret = secret_for(user_with("superuser"))
    codes: list[int] = []
    at_once = threading.Barrier(2)

    def send() -> None:
        try:
            at_once.wait()
            codes.append(client_with(secret).post(REGIONS, {"name": "us"}, **key("a")).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) in ([201, 201], [201, 409])
    assert Region.objects.filter(name="us").count() == 1
    assert IdempotentRequest.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_waits_for_the_edges_is_tried_again_with_a_key_as_without_one(boss, keyspace):
    domain = DomainFactory()
    for headers in ({}, key("again")):
        waiting = Outbox.objects.create(kind=Kind.DOMAIN, object_id=domain.pk, staged_at=timezone.now())
        assert boss.post(f"/api/v1/outbox/{waiting.pk}/retry", **headers).status_code == 204
        assert not Outbox.objects.exists()
