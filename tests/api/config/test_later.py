"""A configuration that is applied by a worker: 202 at once, and allowed once more when it begins."""

import logging

import pytest
import redis
from django.conf import settings
from django.contrib.admin.models import LogEntry
from kombu import Connection

from accounts.models import Token, User
from accounts.tokens import token_revoke
from api.models import Operation
from cirrus_site.celery import app
from configuration.tasks import apply_later
from dnszones.models import Secondary
from nodes.models import Region
from tests.api.conftest import client_with, secret_for, user_with
from tests.factories import RegionFactory

pytestmark = pytest.mark.django_db(transaction=True)

AT = "/api/v1/config/apply"
SECRET = "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4"
WEST = {"document": {"version": 1, "regions": [{"name": "eu-west", "title": "West"}]}}


def ask(client, body, **headers):
    return client.post(AT, body, HTTP_PREFER="respond-async", **headers)


def work() -> int:
    """What a worker does with what waits in the real queue: each message's task, run here; their number."""
    done, waiting = 0, redis.Redis.from_url(settings.CELERY_BROKER_URL)
    with Connection(
        settings.CELERY_BROKER_URL, transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS
    ) as connection:
        queue = connection.SimpleQueue("celery")
        while waiting.llen("celery:celery"):
            message = queue.get(timeout=5)
            if message.headers["task"] == apply_later.name:
                (args, kwargs, _) = message.payload
                app.tasks[apply_later.name](*args, **kwargs)
                done += 1
            message.ack()
        queue.close()
    return done


def seen(client, answer):
    return client.get(answer["Location"]).json()


def test_it_is_answered_at_once_and_applied_by_a_worker(keyspace, boss):
    plan = boss.post("/api/v1/config/plan", WEST).json()
    answer = ask(boss, WEST)
    assert (answer.status_code, answer["Preference-Applied"]) == (202, "respond-async")
    assert not Region.objects.exists()
    assert seen(boss, answer)["state"] == "pending"
    assert work() == 1
    operation = seen(boss, answer)
    assert (operation["state"], operation["error"], operation["result"]) == ("succeeded", "", plan)
    assert Region.objects.get().title == "West"


def test_without_the_preference_and_in_a_dry_run_it_is_done_while_one_waits(keyspace, boss):
    assert boss.post(f"{AT}?dry_run=true", WEST, HTTP_PREFER="respond-async").status_code == 200
    assert boss.post(AT, WEST, HTTP_PREFER="wait=10, handling=lenient").status_code == 200
    assert not Operation.objects.exists()


def test_its_history_names_who_and_by_what(keyspace, boss):
    RegionFactory(name="eu-west")
    ask(boss, WEST)
    LogEntry.objects.all().delete()
    work()
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.object_repr) == ("superuser", "eu-west")
    assert "by the API, token “test”" in entry.get_change_message()


def test_a_secret_of_the_document_is_told_nowhere_and_forgotten_at_the_end(keyspace, boss, caplog):
    caplog.set_level(logging.DEBUG)
    secondary = {"name": "ns1", "address": "192.0.2.1", "tsig_name": "k", "tsig_secret": SECRET}
    answer = ask(boss, {"document": {"version": 1, "secondaries": [secondary]}})
    row = Operation.objects.get()
    assert row.sealed
    assert SECRET not in repr(Operation.objects.values()) + answer.content.decode() + caplog.text
    assert SECRET not in boss.get(answer["Location"]).content.decode()
    assert "sealed" not in seen(boss, answer)
    work()
    row.refresh_from_db()
    assert (row.state, row.sealed) == ("succeeded", "")
    assert Secondary.objects.get().name == "ns1"
    assert SECRET not in repr(Operation.objects.values()) + caplog.text


def test_a_token_that_was_revoked_meanwhile_applies_nothing(keyspace, boss):
    answer = ask(boss, WEST)
    token_revoke(token=Token.objects.get(), by="the test")
    work()
    operation = Operation.objects.get()
    assert (operation.state, operation.sealed) == ("failed", "")
    assert operation.error == "The token that asked for it may not do it any more. Nothing was applied."
    assert not Region.objects.exists() and answer.status_code == 202


@pytest.mark.parametrize(
    "change",
    [
        lambda token: Token.objects.update(scopes=["config:read"]),
        lambda token: Token.objects.update(domains=["www.example.com"]),
        lambda token: Token.objects.update(networks=["192.0.2.0/24"]),
        lambda token: token.delete(),
        lambda token: User.objects.update(is_active=False),
        lambda token: User.objects.update(is_superuser=False),
        lambda token: User.objects.all().delete(),
    ],
    ids=["scope", "domains", "networks", "token gone", "inactive", "no rights", "user gone"],
)
def test_who_may_no_more_when_it_begins_applies_nothing(keyspace, boss, change):
    assert ask(boss, WEST).status_code == 202
    change(Token.objects.get())
    assert work() == 1
    assert not Region.objects.exists()
    assert not Operation.objects.exclude(state="failed").exists()


def test_each_change_needs_its_right_when_it_runs(keyspace):
    client = client_with(secret_for(user_with("operator"), ["config:write"]))
    answer = ask(client, WEST)
    work()
    operation = seen(client, answer)
    assert operation["state"] == "failed" and "nodes.add_region" in operation["error"]
    assert not Region.objects.exists()


def test_what_is_wrong_with_the_document_is_told_with_pointers(keyspace, boss):
    answer = ask(boss, {"document": {"version": 1, "regions": [{"name": "eu-west", "a.b": 1}]}})
    work()
    operation = seen(boss, answer)
    assert operation["state"] == "failed" and operation["result"] is None
    assert "\n/document/regions/0/a.b: " in operation["error"]


def test_the_same_key_begins_one_operation_that_is_carried_out_once(keyspace, boss):
    answers = [ask(boss, WEST, HTTP_IDEMPOTENCY_KEY="k-1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0]["Location"] == answers[1]["Location"]
    assert answers[1]["Idempotency-Replayed"] == "true"
    assert answers[1]["Preference-Applied"] == "respond-async"
    assert work() == 1
    assert Operation.objects.get().state == "succeeded"
    assert Region.objects.count() == 1
