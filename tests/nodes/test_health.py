"""Node health, without any server: damping, votes, states, what is left of a region."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.health.damping import Damping, Rules, Verdict, observe, proven
from nodes.health.decision import TRANSITIONS, Left, Watched, decide, short_regions
from nodes.health.votes import Report, consensus, isolated
from nodes.models import Node

UP, DOWN, UNKNOWN = Verdict.UP, Verdict.DOWN, Verdict.UNKNOWN
RULES = Rules(rise=3, fall=3)
NOW, INTERVAL = 1_000_000.0, 5.0


def after(probes: str, *, start: Damping | None = None, rules: Rules = RULES) -> Damping:
    """The damping after probes, each `+` or `-`."""
    damping = start or Damping()
    for probe in probes:
        damping = observe(damping, ok=probe == "+", rules=rules)
    return damping


# -- damping ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probes", "verdict"),
    [
        ("", UNKNOWN),
        ("++", UNKNOWN),
        ("+++", UP),
        ("--", UNKNOWN),
        ("---", DOWN),
        ("++-++", UNKNOWN),  # not in a row
        ("+-+-+-", DOWN),  # flaps from the start
        ("+++--", UP),
        ("+++---", DOWN),
        ("+++-+-+-", DOWN),  # flaps
        ("+++-++-++-", DOWN),  # a slow leak: never three in a row between its failures
        ("+++-+++-+++-", UP),  # each failure was made good by a whole run
        ("---++", DOWN),
        ("---+++", UP),
        ("---+-+-+-+-++-++-", DOWN),  # stays down
        ("---+++-", UP),
    ],
)
def test_what_a_vantage_point_makes_of_probes(probes, verdict):
    assert after(probes).verdict is verdict


@pytest.mark.parametrize(("probes", "verdict"), [("", UP), ("--", UP), ("---", DOWN), ("-+-+-", DOWN)])
def test_who_was_put_up_by_hand_starts_as_if_proven_and_falls_like_any_other(probes, verdict):
    assert after(probes, start=proven(RULES)).verdict is verdict


probes = st.text("+-", max_size=60)
rules = st.builds(Rules, rise=st.integers(1, 6), fall=st.integers(1, 6))


@given(probes, rules)
def test_the_counts_stay_within_their_limits_and_agree_with_the_verdict(probes, rules):
    damping = after(probes, rules=rules)
    streak = len(probes) - len(probes.rstrip("+"))

    assert damping.streak == streak
    assert 0 <= damping.fails <= rules.fall
    assert (damping.verdict is DOWN) >= (damping.fails == rules.fall)
    if streak >= rules.rise:
        assert (damping.verdict, damping.fails) == (UP, 0)


@given(probes, rules)
def test_nobody_rises_without_a_whole_run_of_successes(probes, rules):
    if "+" * rules.rise not in probes:
        assert after(probes, rules=rules).verdict is not UP
        if probes.count("-") >= rules.fall:
            assert after(probes, rules=rules).verdict is DOWN


@given(probes, rules)
def test_nobody_falls_with_fewer_failures_than_it_takes(probes, rules):
    if probes.count("-") < rules.fall:
        assert after(probes, start=proven(rules), rules=rules).verdict is UP


@given(probes, rules, st.text("+-", min_size=1, max_size=12))
def test_who_is_down_and_never_has_a_whole_run_stays_down(before, rules, pattern):
    down = after("-" * rules.fall, start=after(before, rules=rules), rules=rules)
    endless = pattern * (60 // len(pattern) + 1)
    if "+" * rules.rise not in endless:
        assert all(
            after(endless[:end], start=down, rules=rules).verdict is DOWN for end in range(len(endless))
        )


# -- votes -----------------------------------------------------------------------------------------


def report(verdict: Verdict, *, ok: bool | None = None, age: float = 0.0, **more) -> Report:
    seen = verdict is UP if ok is None else ok
    return Report(at=NOW - age, ok=seen, damping=Damping(verdict), **more)


def thought(*verdicts: Verdict | None, configured: int | None = None, **more) -> Verdict:
    """The consensus of vantage points with these verdicts; None is one without a report."""
    reports = {f"v{n}": report(verdict) for n, verdict in enumerate(verdicts) if verdict}
    vantages = [f"v{n}" for n in range(configured or len(verdicts))]
    return consensus(
        reports, **{"trial": 0, "vantages": vantages, "now": NOW, "interval": INTERVAL} | more
    ).verdict


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([UP], UP),
        ([DOWN], DOWN),
        ([UNKNOWN], UNKNOWN),
        ([None], UNKNOWN),
        ([UP, DOWN], UNKNOWN),  # as many for as against
        ([UP, UNKNOWN], UP),  # half of them have a vote
        ([DOWN, None], DOWN),
        ([UP, UP, DOWN], UP),
        ([DOWN, DOWN, UP], DOWN),
        ([DOWN, UNKNOWN, UNKNOWN], UNKNOWN),  # fewer than half
        ([DOWN, None, None], UNKNOWN),
        ([DOWN, DOWN, None, None], DOWN),
        ([DOWN, UP, UNKNOWN], UNKNOWN),
        ([DOWN, DOWN, UP, UNKNOWN, None], DOWN),
    ],
)
def test_the_majority_of_those_with_a_vote_decides(verdicts, expected):
    assert {thought(*order) for order in permutations(verdicts)} == {expected}


@pytest.mark.parametrize(("age", "expected"), [(15, DOWN), (15.1, UNKNOWN), (-16, UNKNOWN)])
def test_a_report_that_is_older_than_three_intervals_has_no_vote(age, expected):
    found = consensus({"v": report(DOWN, age=age)}, trial=0, vantages=["v"], now=NOW, interval=INTERVAL)
    assert found.verdict is expected


def test_a_report_of_an_earlier_trial_has_no_vote():
    assert thought(DOWN, trial=1) is UNKNOWN


def test_a_vantage_point_that_is_not_configured_any_more_has_no_vote():
    assert thought(DOWN, vantages=["other"]) is UNKNOWN


def seen(*pattern: str) -> set[str]:
    """Who is isolated; a pattern for each vantage point: one sign a node (`.`: no report)."""
    reports: dict[str, dict[str, Report]] = {}
    for vantage, signs in enumerate(pattern):
        for node, sign in enumerate(signs):
            if sign != ".":
                reports.setdefault(f"n{node}", {})[f"v{vantage}"] = report(UP, ok=sign == "+")
    vantages = [f"v{vantage}" for vantage in range(len(pattern))]
    return isolated(reports, vantages=vantages, now=NOW, interval=INTERVAL)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (["---"], set()),  # nobody else to compare with
        (["---", "---"], set()),  # all are down, and all agree
        (["---", "+--"], {"v0"}),
        (["---", "+++", "+++"], {"v0"}),
        (["---", "---", "+++"], {"v0", "v1"}),
        (["+--", "+++"], set()),
        (["...", "+++"], set()),  # it says nothing: that is another trouble
        (["-..", ".+."], {"v0"}),
    ],
)
def test_who_sees_nothing_while_another_sees_something_is_isolated(pattern, expected):
    assert seen(*pattern) == expected


def test_an_old_report_neither_isolates_nor_sees():
    reports = {"n": {"v0": report(UP, age=60), "v1": report(DOWN)}}
    assert isolated(reports, vantages=["v0", "v1"], now=NOW, interval=INTERVAL) == set()


# -- states ----------------------------------------------------------------------------------------


def decided(nodes: list[Watched], reports, vantages=("local",), **more):
    return decide(nodes, reports, vantages=vantages, now=NOW, interval=INTERVAL, **more)


def node(state: str, name: str = "edge-1", **more) -> Watched:
    return Watched(name, "eu", state, **more)


@pytest.mark.parametrize("state", Node.State.values)
@pytest.mark.parametrize("verdict", Verdict)
def test_what_becomes_of_each_state(state, verdict):
    expected = {
        ("pending", UP): "up",
        ("up", DOWN): "down",
        ("down", UP): "up",
    }.get((state, verdict))
    changes = decided([node(state)], {"edge-1": {"local": report(verdict)}}).changes

    assert [change.new for change in changes] == ([expected] if expected else [])


def test_only_automatic_states_are_left_and_reached_by_probes():
    states = {state for state, _ in TRANSITIONS} | set(TRANSITIONS.values())
    assert states == {"pending", "up", "down"}


def test_a_change_says_who_found_what():
    reports = {
        "edge-1": {"a": report(DOWN, why="it refuses connections"), "b": report(DOWN), "c": report(UP)}
    }
    reports["edge-2"] = {"a": report(UP), "b": report(UP), "c": report(UP)}
    nodes = [node("up"), node("pending", "edge-2")]
    first, second = decided(nodes, reports, vantages=["a", "b", "c"]).changes

    assert first.reason == "2 of 3 vantage points find it down: it refuses connections"
    assert second.reason == "3 of 3 vantage points find it up"


def test_an_isolated_vantage_point_takes_nothing_down():
    reports = {
        f"edge-{n}": {"near": report(UP), "cut-off": report(DOWN), "far": report(UNKNOWN, ok=True)}
        for n in range(3)
    }
    decision = decided([node("up", name) for name in reports], reports, vantages=["near", "cut-off", "far"])

    assert decision.changes == ()
    assert list(decision.voiceless) == ["cut-off"]
    assert not decision.blind


def test_with_most_vantage_points_cut_off_nothing_changes_and_that_is_told():
    reports = {name: {"a": report(DOWN), "b": report(DOWN), "c": report(UP)} for name in ("x", "y")}
    decision = decided([node("down", "x"), node("up", "y")], reports, vantages=["a", "b", "c"])

    assert decision.changes == ()
    assert decision.blind


def test_a_silent_vantage_point_has_no_vote_and_blinds_where_it_is_the_only_one():
    reports = {"edge-1": {"local": report(DOWN)}}
    decision = decided([node("up")], reports, silent=["local"])

    assert decision.changes == ()
    assert decision.blind
    assert decision.voiceless == {"local": "it does not report"}


def test_nodes_without_any_report_change_nothing_and_blind_nobody():
    decision = decided([node(state) for state in Node.State.values], {})

    assert (decision.changes, decision.blind) == ((), False)


any_report = st.builds(
    Report,
    at=st.floats(NOW - 60, NOW + 60),
    ok=st.booleans(),
    damping=st.builds(Damping, verdict=st.sampled_from(Verdict)),
    trial=st.integers(0, 1),
)
any_reports = st.dictionaries(
    st.sampled_from(["edge-1", "edge-2", "edge-3"]),
    st.dictionaries(st.sampled_from(["a", "b", "c", "gone"]), any_report),
)
any_nodes = st.lists(
    st.builds(
        Watched,
        name=st.sampled_from(["edge-1", "edge-2", "edge-3"]),
        region=st.just("eu"),
        state=st.sampled_from(Node.State.values),
        trial=st.integers(0, 1),
    ),
    unique_by=lambda watched: watched.name,
)


@given(any_nodes, any_reports, st.sampled_from([["a"], ["a", "b"], ["a", "b", "c"]]))
def test_whatever_is_reported_the_rules_hold(nodes, reports, vantages):
    decision = decided(nodes, reports, vantages=vantages)
    states = {watched.name: watched for watched in nodes}

    for change in decision.changes:
        watched = states[change.node]
        assert watched.state not in ("draining", "maintenance")
        votes = [
            said.damping.verdict
            for vantage, said in reports[change.node].items()
            if vantage in vantages
            and vantage not in decision.voiceless
            and said.trial == watched.trial
            and abs(said.at - NOW) <= 15
            and said.damping.verdict is not UNKNOWN
        ]
        wanted = DOWN if change.new == "down" else UP
        assert 2 * len(votes) >= len(vantages)
        assert 2 * votes.count(wanted) > len(votes)
    # Deciding again after the changes were made changes nothing more.
    made = {change.node: change.new for change in decision.changes}
    settled = [replace(watched, state=made.get(watched.name, watched.state)) for watched in nodes]
    assert decided(settled, reports, vantages=vantages).changes == ()


# -- what is left of a region ----------------------------------------------------------------------


def left_of(states: str, share: float = 0.5) -> Left | None:
    """`u`p, `d`own, d`r`aining, `m`aintenance, `p`ending."""
    names = {"u": "up", "d": "down", "r": "draining", "m": "maintenance", "p": "pending"}
    nodes = [Watched(f"n{n}", "eu", names[sign]) for n, sign in enumerate(states)]
    return short_regions(nodes, share=share).get("eu")


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("", None),
        ("u", None),
        ("d", Left(0, 1)),
        ("ud", None),  # half is enough
        ("udd", Left(1, 3)),
        ("dd", Left(0, 2)),
        ("uumm", None),  # people may take out more than probes
        ("mrp", None),
        ("umd", None),
        ("umdd", Left(1, 3)),
    ],
)
def test_a_region_of_which_less_than_the_share_is_up_is_told(states, expected):
    assert left_of(states) == expected


def test_a_share_of_nothing_is_always_there_and_one_of_everything_with_all():
    assert left_of("ddd", share=0) is None
    assert left_of("uud", share=1) == Left(2, 3)
    assert left_of("uuu", share=1) is None


def test_regions_count_apart_and_shields_do_not_count():
    nodes = [
        Watched("a", "east", "down"),
        Watched("b", "west", "up"),
        Watched("c", "west", "down", is_edge=False),
    ]
    assert short_regions(nodes, share=1) == {"east": Left(0, 1)}
