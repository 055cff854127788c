"""The sentences an operator reads. No server and no database: facts in, sentence out."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import override_settings
from django.utils import timezone

from edge.acks import Ack, Acks, History
from edge.models import Publication
from edge.statuses import (
    applied_time,
    clock,
    duration,
    live_status,
    names,
    waiting_status,
    withdrawn_status,
)

SAVED = datetime(2026, 11, 24, 14, 3, 12, tzinfo=UTC)
EDGES = ["edge-1", "edge-2"]


def publication(**fields):
    """Revision 7 of a document, 100 ms from the save to Redis (whose clock is an hour ahead)."""
    values = {
        "kind": "domain",
        "key": "www.a.example",
        "object_id": 1,
        "epoch": 1,
        "rev": 7,
        "saved_at": SAVED,
        "published_at": SAVED + timedelta(milliseconds=100),
        "stream_id": "3600000-0",
    }
    return Publication(**(values | fields))


def acks(*revs, histories=None, **fields):
    """What edge-1, edge-2, … have applied; heard a second ago."""
    by_node = {f"edge-{n}": Ack(age=1.0, epoch=1, rev=rev, **fields) for n, rev in enumerate(revs, 1)}
    return Acks(by_node=by_node, histories=histories or {})


def refusing(acks, node, why, *, epoch=1, rev=7):
    refusals = {"domain:www.a.example": {"epoch": epoch, "rev": rev, "why": why}}
    ack = acks.by_node[node]
    return Acks(
        by_node={**acks.by_node, node: Ack(age=ack.age, epoch=ack.epoch, rev=ack.rev, refusals=refusals)}
    )


def said(status):
    return status.tone, status.sentence


HISTORIES = {
    "edge-1": History([(3_599_000, 1, 6), (3_600_030, 1, 7)]),
    "edge-2": History([(3_600_050, 1, 6), (3_600_080, 1, 9)]),
}


def test_on_all_edges_with_the_time_since_the_save():
    status = live_status(publication(), EDGES, acks(7, 9, histories=HISTORIES))
    assert said(status) == ("ok", "on 2 of 2 edges, 0.2 s after the save")
    assert (status.rev, status.applied_by, status.serving) == (7, 2, 2)


def test_the_time_does_not_depend_on_clocks_that_disagree():
    # Redis's clock is in 1970 here: only the difference of its own two times counts.
    at = applied_time(publication(), EDGES, acks(7, 9, histories=HISTORIES))
    assert at == SAVED + timedelta(milliseconds=180)


def test_a_time_that_was_trimmed_is_left_out():
    trimmed = {"edge-1": HISTORIES["edge-1"], "edge-2": History([])}
    assert said(live_status(publication(), EDGES, acks(7, 9, histories=trimmed))) == (
        "ok",
        "on 2 of 2 edges",
    )


def test_a_time_that_was_noted_outlives_the_acknowledgements():
    noted = publication(applied_at=SAVED + timedelta(seconds=3), applied_by=2)
    assert said(live_status(noted, EDGES, acks(8, 9))) == ("ok", "on 2 of 2 edges, 3.0 s after the save")


def test_an_edge_that_lags_is_waited_for():
    assert said(live_status(publication(), EDGES, acks(7, 6))) == (
        "pending",
        "on 1 of 2 edges, waiting for edge-2",
    )


def test_an_edge_that_is_silent_is_named_with_its_silence():
    silent = Acks(by_node={"edge-1": Ack(age=1, epoch=1, rev=7), "edge-2": Ack(age=40, epoch=1, rev=6)})
    assert said(live_status(publication(), EDGES, silent)) == (
        "pending",
        "on 1 of 2 edges, waiting for edge-2 (silent for 40 s)",
    )


def test_an_edge_that_was_never_heard_of_is_named_so():
    assert live_status(publication(), EDGES, acks(7)).sentence == (
        "on 1 of 2 edges, waiting for edge-2 (never heard of)"
    )


def test_an_edge_of_another_epoch_has_not_applied_it():
    other = Acks(by_node={"edge-1": Ack(age=1, epoch=2, rev=99)})
    assert live_status(publication(), ["edge-1"], other).sentence == "on 0 of 1 edges, waiting for edge-1"


def test_a_refusal_is_told_with_its_reason():
    status = live_status(publication(), EDGES, refusing(acks(7, 7), "edge-2", "origins: none"))
    assert said(status) == ("refused", "refused by edge-2: origins: none")
    assert status.applied_by == 1


def test_a_refusal_of_an_older_revision_or_epoch_is_over():
    for old in ({"rev": 6}, {"epoch": 0}):
        status = live_status(publication(), EDGES, refusing(acks(7, 7), "edge-2", "bad", **old))
        assert status.tone == "ok"


def test_without_an_edge_it_is_published_and_served_by_nobody():
    assert said(live_status(publication(), [], acks())) == (
        "pending",
        "published; no edge is up to serve it",
    )


def test_with_redis_down_what_was_noted_is_still_told():
    down = Acks(failure="Redis cannot be reached")
    noted = publication(applied_at=SAVED + timedelta(seconds=0.24), applied_by=2)
    assert said(live_status(noted, EDGES, down)) == ("ok", "on 2 of 2 edges, 0.2 s after the save")
    assert said(live_status(publication(), EDGES, down)) == (
        "pending",
        f"published at {clock(SAVED)}; on which edges is not known: Redis cannot be reached",
    )


def test_a_withdrawn_document_is_off_once_it_is_gone_from_all_edges():
    gone = publication(live=False)
    assert said(withdrawn_status(gone, EDGES, acks(7, 7), reason="disabled")) == (
        "off",
        "not on the edges: disabled",
    )
    assert said(withdrawn_status(gone, EDGES, acks(7, 6), reason="disabled")) == (
        "pending",
        "being withdrawn (disabled): gone from 1 of 2 edges, waiting for edge-2",
    )
    down = Acks(failure="Redis cannot be reached")
    assert withdrawn_status(gone, EDGES, down, reason="deleted").sentence == (
        "being withdrawn (deleted): gone from 0 of 2 edges, Redis cannot be reached"
    )


def test_what_waits_in_the_outbox_says_since_when_and_why():
    status = waiting_status(since=timezone.now(), failure="Redis cannot be reached")
    assert said(status) == (
        "pending",
        f"pending since {timezone.localtime():%H:%M:%S}: Redis cannot be reached",
    )
    assert waiting_status(since=timezone.now(), failure="").sentence.endswith(": it waits for its turn")


def test_times_are_told_in_the_time_zone_of_the_project():
    with override_settings(TIME_ZONE="Asia/Tokyo"), timezone.override(timezone.get_default_timezone()):
        assert clock(SAVED) in {"23:03:12", "2026-11-24 23:03:12"}
    assert clock(datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)) == "2001-02-03 04:05:06"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.00 s"),
        (0.04, "0.04 s"),
        (0.24, "0.2 s"),
        (9.96, "10.0 s"),
        (40, "40 s"),
        (130, "2 min"),
        (7200, "2 h"),
    ],
)
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


def test_many_names_are_shortened():
    assert names([]) == ""
    assert names(["a"]) == "a"
    assert names(["a", "b"]) == "a and b"
    assert names(["a", "b", "c"]) == "a, b and c"
    assert names(list("abcdefg")) == "a, b, c and 4 more"
