"""Long work: begun with 202, carried out once, and seen by whoever began it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from api.models import Operation
from api.operations import (
    ABANDONED,
    KEPT,
    WAITS,
    accepted,
    operation_begin,
    operations_tend,
    running,
)
from nodes.errors import NodeStillServes
from tests.api.conftest import user_with

pytestmark = pytest.mark.django_db


class Task:
    """Stands where a Celery task is handed over; what a worker gets is an id as text."""

    def __init__(self):
        self.got = []

    def delay(self, operation_id: str) -> None:
        self.got.append(operation_id)


@pytest.fixture
def begun(django_capture_on_commit_callbacks):
    """An operation of the operator, and what the worker got."""
    task = Task()
    with django_capture_on_commit_callbacks(execute=True):
        operation = operation_begin(kind="test", task=task, user=user_with("operator"))
        assert task.got == []  # not before the commit
    assert task.got == [str(operation.pk)]
    return operation


def test_the_answer_says_where_to_look(begun, as_role):
    answer = accepted(begun)
    assert answer.status_code == 202
    seen = as_role("operator").get(answer["Location"]).json()
    assert (seen["kind"], seen["state"]) == ("test", "pending")


def test_somebody_elses_operation_is_not_there(begun, as_role):
    assert as_role("administrator").get(accepted(begun)["Location"]).status_code == 404


def test_work_is_done_once_and_leaves_its_result(begun):
    with running(str(begun.pk)) as mine:
        with running(str(begun.pk)) as again:
            assert again is None
        mine.result = {"made": 3}
    begun.refresh_from_db()
    assert (begun.state, begun.result) == ("succeeded", {"made": 3})
    assert begun.ended_at


def test_an_error_of_ours_ends_it_with_its_sentence(begun):
    with running(str(begun.pk)):
        raise NodeStillServes("edge-1", "it is up")
    begun.refresh_from_db()
    assert begun.state == "failed"
    assert begun.error.startswith("edge-1 may still get clients")


def test_another_error_ends_it_and_goes_on_to_the_log(begun):
    with pytest.raises(KeyError), running(str(begun.pk)):
        raise KeyError("inner life")
    begun.refresh_from_db()
    assert begun.state == "failed"
    assert "inner life" not in begun.error


def test_what_a_lost_worker_left_is_ended_and_the_old_is_forgotten(begun):
    state = Operation.State.RUNNING
    began = timezone.now() - ABANDONED - timedelta(seconds=1)
    Operation.objects.update(state=state, started_at=began, sealed="a document")
    operations_tend()
    begun.refresh_from_db()
    assert (begun.state, begun.error) == ("failed", "Its worker was lost; what it did may be half.")
    assert begun.sealed == ""
    Operation.objects.update(ended_at=timezone.now() - KEPT - timedelta(seconds=1))
    assert operations_tend() == 1


def test_what_waits_in_a_long_queue_is_not_lost_but_does_not_wait_for_ever(begun):
    Operation.objects.update(created_at=timezone.now() - WAITS + timedelta(minutes=1), sealed="a document")
    operations_tend()
    begun.refresh_from_db()
    assert (begun.state, begun.sealed) == ("pending", "a document")
    Operation.objects.update(created_at=timezone.now() - WAITS - timedelta(seconds=1))
    operations_tend()
    begun.refresh_from_db()
    assert (begun.state, begun.sealed) == ("failed", "")
    assert "nothing was done" in begun.error
    with running(str(begun.pk)) as late:
        assert late is None


def test_one_that_began_late_is_left_to_its_worker(begun):
    long_ago = timezone.now() - 2 * ABANDONED
    Operation.objects.update(created_at=long_ago, started_at=timezone.now(), state=Operation.State.RUNNING)
    operations_tend()
    begun.refresh_from_db()
    assert begun.state == "running"
