"""What the control plane makes of what edges say, sense or not."""

import pytest

from edge.acks import MOST_NAMES, Ack, History, parse_ack

SAID = {
    "epoch": "1763971200",
    "rev": "12",
    "stream": "1763971200123-0",
    "at": "1000.5",
    "state": "live",
    "config_errors": "3",
    "refusals": '{"domain:www.a.example": {"epoch": 1763971200, "rev": 12, "why": "no origin"}}',
    "orphans": "1",
    "orphan_names": '["domain:b.example"]',
    "version": "0.1.0",
    "skew": "-2.5",
    "domains": "40",
}


def test_a_whole_acknowledgement_is_read():
    ack = parse_ack(SAID, now=1004.0)
    assert (ack.epoch, ack.rev, ack.state, ack.config_errors) == (1763971200, 12, "live", 3)
    assert (ack.orphans, ack.orphan_names, ack.version, ack.domains) == (1, ["domain:b.example"], "0.1.0", 40)
    assert ack.refusal(document="domain:www.a.example", epoch=1763971200, rev=12) == "no origin"


def test_its_age_is_measured_by_redis_s_clock_alone():
    # The edge's clock is 2.5 s behind: it wrote at 1003 by Redis's clock.
    assert parse_ack(SAID, now=1004.0).age == 1.0
    assert parse_ack(SAID, now=1004.0).heard
    assert not parse_ack(SAID, now=1019.0).heard


def test_no_acknowledgement_is_never_heard_of():
    assert parse_ack({}, now=1.0) == Ack()
    assert Ack().age is None
    assert not Ack().heard


@pytest.mark.parametrize(
    "field",
    ["epoch", "rev", "at", "config_errors", "refusals", "orphans", "orphan_names", "skew", "domains"],
)
@pytest.mark.parametrize(
    "nonsense", ["", "x", "nan", "inf", "1e999", "-", "[", "[[[[", "{}", "[]", "null", "[" * 5000]
)
def test_nonsense_in_a_field_counts_as_not_said(field, nonsense):
    ack = parse_ack(SAID | {field: nonsense}, now=1004.0)
    assert isinstance(ack.rev, int)
    assert isinstance(ack.refusals, dict)
    assert isinstance(ack.orphan_names, list)


def test_a_refusal_without_sense_is_not_this_one():
    for refusals in ('{"domain:a": 1}', '{"domain:a": {"epoch": "x", "rev": []}}', "[1, 2]"):
        ack = parse_ack(SAID | {"refusals": refusals}, now=1004.0)
        assert ack.refusal(document="domain:a", epoch=1, rev=1) == ""


def test_where_the_list_of_refusals_is_cut_nothing_handled_counts_as_applied():
    ack = parse_ack(SAID | {"epoch": "1", "rev": "12", "refusals_cut": "1"}, now=1004.0)
    assert "perhaps this one" in ack.refusal(document="domain:unlisted", epoch=1, rev=12)
    assert ack.refusal(document="domain:later", epoch=1, rev=13) == ""


def test_an_edge_that_tells_of_thousands_is_cut_short():
    names = "[" + ",".join(['"x"'] * 5000) + "]"
    assert len(parse_ack(SAID | {"orphan_names": names}, now=1004.0).orphan_names) == MOST_NAMES


def test_the_first_acknowledgement_after_the_change_that_has_it_counts():
    history = History([(100, 1, 5), (200, 1, 5), (300, 1, 8), (400, 2, 9)])
    assert history.applied_ms(epoch=1, rev=5, stream_id="150-0") == 200
    assert history.applied_ms(epoch=1, rev=6, stream_id="150-0") == 300
    assert history.applied_ms(epoch=1, rev=9, stream_id="150-0") is None
    assert history.applied_ms(epoch=2, rev=9, stream_id="150-0") == 400
