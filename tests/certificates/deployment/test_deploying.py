"""A certificate on its way to the edges: tried on one, then on all, and taken back where it is not right."""

import base64

import pytest

from alarms.models import Alarm
from certificates.deployment import deploying
from certificates.deployment.deploying import ALARM, UNTRIED, deploy, deploy_start
from certificates.models import Certificate, Enrollment
from certificates.services.enrollments import enrollment_request
from nodes.models import Node
from tests.certificates.house import DAY, NOW, the_house
from tests.factories import HostNameFactory


def alarms(kind=ALARM):
    return [*Alarm.objects.open().filter(kind=kind).values_list("sentence", flat=True)]


def test_a_certificate_is_tried_on_one_edge_and_then_served_by_all(world):
    for number in range(1, 6):
        world.add_edge(f"edge-{number}")
    certificate = world.issue()
    outcome = world.deploy(certificate)
    assert (outcome.state, outcome.sentence) == ("served", "served on 5 of 5")
    assert world.enrollment.current == certificate
    assert (world.enrollment.candidate, world.enrollment.candidate_node) == (None, "")
    assert world.enrollment.issued_at is not None
    certificate.refresh_from_db()
    assert sorted(certificate.served) == [f"edge-{number}" for number in range(1, 6)]
    assert all(said["ok"] for said in certificate.served.values())
    # The one that tried it was asked twice.
    assert [len(world.edges[f"edge-{number}"].served) for number in range(1, 6)] == [2, 1, 1, 1, 1]


def test_the_one_before_is_kept_and_a_placeholder_is_not(world):
    from certificates.deployment import placeholder_ensure

    world.add_edge("edge-1")
    assert placeholder_ensure(world.enrollment)
    assert world.deploy().sentence == "served on 1 of 1"
    first, second = world.issue(), world.issue(begin=NOW - DAY)
    world.deploy(first)
    assert world.enrollment.previous is None
    assert not Certificate.objects.filter(source=Certificate.Source.PLACEHOLDER).exists()
    assert world.deploy(second).state == "served"
    assert (world.enrollment.current, world.enrollment.previous) == (second, first)


def test_a_candidate_that_the_edge_refuses_is_taken_back(world):
    edge, other = world.add_edge("edge-1"), world.add_edge("edge-2")
    good, bad = world.issue(), world.issue(begin=NOW - DAY)
    world.deploy(good)
    edge.refuses = "its key cannot be opened"
    outcome = world.deploy(bad)
    assert outcome.state == "failed" and "edge-1 refuses it: its key cannot be opened" in outcome.sentence
    assert (world.enrollment.current, world.enrollment.candidate) == (good, None)
    assert "taken back" in alarms()[0] and "served on" in alarms()[0]
    assert other.document().get("candidate") is None
    edge.refuses = ""
    assert world.deploy(bad).state == "served"
    assert alarms() == []


def refused(world):
    """A certificate is served, and the edge has refused another one."""
    edge = world.add_edge("edge-1")
    good, bad = world.issue(), world.issue(begin=NOW - DAY)
    world.deploy(good)
    edge.refuses = "its key cannot be opened"
    assert world.deploy(bad).state == "failed" and len(alarms()) == 1
    edge.refuses = ""
    return good


def test_what_is_said_of_a_refused_one_is_over_when_another_is_on_its_way(world):
    refused(world)
    world.edges["edge-1"].close()
    assert world.deploy(world.issue(begin=NOW - DAY)).state == "waiting"
    assert alarms() == []
    assert len(alarms(UNTRIED)) == 1


def test_what_is_said_of_a_refused_one_is_over_when_another_is_asked_for(world):
    refused(world)
    enrollment_request(enrollment=world.enrollment)
    assert alarms() == []


def test_what_is_said_of_a_refused_one_is_over_when_another_is_kept_for_later(world):
    refused(world)
    world.domain.tls = False
    world.domain.save()
    later = world.issue(begin=NOW - DAY)
    Enrollment.objects.filter(pk=world.enrollment.pk).update(candidate=later)
    assert world.deploy().state == "stored"
    assert alarms() == []


def test_bringing_what_is_served_takes_back_the_one_in_trial(world, monkeypatch):
    monkeypatch.setattr(deploying, "ACK_PATIENCE", 0.3)
    good = refused(world)
    edge = world.edges["edge-1"]
    edge.silent = True
    assert world.deploy(world.issue(begin=NOW - DAY)).state == "waiting"
    assert edge.document()["candidate"]
    world.start(good)
    assert (world.enrollment.current, world.enrollment.candidate) == (good, None)
    assert edge.document().get("candidate") is None
    assert alarms() == alarms(UNTRIED) == []
    edge.silent = False
    assert world.deploy().sentence == "served on 1 of 1"


def test_a_candidate_that_the_edge_does_not_serve_is_taken_back(world, monkeypatch):
    monkeypatch.setattr(deploying, "SERVE_PATIENCE", 0.2)
    edge = world.add_edge("edge-1")
    good, bad = world.issue(), world.issue(begin=NOW - DAY)
    world.deploy(good)
    edge.serves = the_house().bundle("other.example")
    outcome = world.deploy(bad)
    assert outcome.state == "failed" and "serves another certificate" in outcome.sentence
    assert world.enrollment.current == good
    bad.refresh_from_db()
    assert bad.served["edge-1"]["ok"] is False


def test_where_the_first_edge_keeps_silent_the_next_one_tries_it(world, monkeypatch):
    monkeypatch.setattr(deploying, "ACK_PATIENCE", 0.3)
    world.add_edge("edge-1").silent = True
    world.add_edge("edge-2")
    outcome = world.deploy(world.issue())
    assert world.enrollment.current is not None
    assert outcome.state in ("served", "published")


def test_where_no_edge_can_be_reached_a_first_certificate_is_published_all_the_same(world):
    world.add_edge("edge-1").close()
    outcome = world.deploy(world.issue())
    assert outcome.state == "published" and "served on 0 of 1; edge-1: " in outcome.sentence
    assert "CIRRUS_HTTPS_PORT" in alarms(UNTRIED)[0]


def test_where_no_edge_can_be_reached_a_renewal_waits_as_long_as_the_old_one_is_good(world):
    edge = world.add_edge("edge-1")
    old, new = world.issue(begin=NOW - 80 * DAY, end=NOW + 10 * DAY), world.issue()
    world.deploy(old)
    edge.close()
    assert world.deploy(new).state == "waiting"
    assert (world.enrollment.current, world.enrollment.candidate) == (old, new)
    assert "It waits" in alarms(UNTRIED)[0]
    # With a twentieth of its life left, it does not wait any more.
    Certificate.objects.filter(pk=old.pk).update(not_after=NOW + 3 * DAY)
    world.now()
    assert world.deploy().state == "published"
    assert world.enrollment.current == new


def test_without_any_edge_it_is_published_and_said(world):
    outcome = world.deploy(world.issue())
    assert (outcome.state, outcome.sentence) == ("published", "published; no edge is up to serve it")
    assert world.enrollment.current is not None


def test_edges_that_are_down_or_in_maintenance_are_not_waited_for(world):
    world.add_edge("edge-1", state=Node.State.DOWN)
    world.add_edge("edge-2", state=Node.State.MAINTENANCE)
    world.add_edge("edge-3", state=Node.State.DRAINING)
    world.add_edge("edge-4")
    assert world.deploy(world.issue()).sentence == "served on 2 of 2"
    assert len(world.edges["edge-4"].served) == 2  # one that is up tries it, not one that is draining
    assert world.edges["edge-1"].served == []


def test_with_redis_down_it_waits_and_goes_on_by_itself(world):
    world.add_edge("edge-1")
    certificate = world.issue()
    world.start(certificate)
    world.redis.stop()
    try:
        assert world.deploy().state == "queued"
    finally:
        world.redis.start()
    assert world.deploy().state == "served"


def test_what_is_wrong_with_a_certificate_is_found_before_any_edge_sees_it(world):
    edge = world.add_edge("edge-1")
    good = world.issue()
    world.deploy(good)
    for bad, why in {
        world.issue(end=NOW - DAY): "expired",
        world.issue(begin=NOW - 40 * DAY, end=NOW + 50 * DAY): "older than the one that is served",
        world.issue("other.example"): "for none of the domain's names",
    }.items():
        outcome = world.deploy(bad)
        assert outcome.state == "failed" and why in outcome.sentence
        assert world.enrollment.current == good
    assert edge.document()["current"]["fingerprint"] == good.fingerprint


def test_without_its_sealing_key_a_certificate_waits_and_is_not_lost(world, settings):
    world.add_edge("edge-1")
    world.start(world.issue())
    right = settings.CIRRUS
    other = base64.b64encode(bytes(32)).decode()
    settings.CIRRUS = right.model_copy(update={"sealing_keys": f"other:{other}"})
    outcome = world.deploy()
    assert outcome.state == "waiting" and "CIRRUS_SEALING_KEYS must have every key" in outcome.sentence
    assert Alarm.objects.open().get().kind == "certificate_deployment"
    settings.CIRRUS = right
    assert world.deploy().state == "served"
    assert not Alarm.objects.open().exists()


def test_a_first_certificate_for_other_names_is_none(world):
    world.add_edge("edge-1")
    outcome = world.deploy(world.issue("other.example"))
    assert outcome.state == "failed" and "for none of the domain's names" in outcome.sentence


def test_a_first_certificate_that_lacks_a_name_is_better_than_none(world):
    world.add_edge("edge-1")
    HostNameFactory(domain=world.domain, name="example.com")
    assert world.deploy(world.issue()).state == "served"


def test_a_name_that_was_added_meanwhile_keeps_no_certificate_back(world):
    world.add_edge("edge-1")
    first = world.issue()
    world.deploy(first)
    HostNameFactory(domain=world.domain, name="example.com")
    assert world.deploy(world.issue(begin=NOW - DAY)).state == "served"
    world.deploy(world.issue("www.example.com", "example.com", begin=NOW - DAY / 2))
    outcome = world.deploy(world.issue(begin=NOW - DAY / 4))  # now that would be a step back
    assert outcome.state == "failed" and "example.com" in outcome.sentence


def test_a_domain_without_https_keeps_its_certificate_for_later(world):
    edge = world.add_edge("edge-1")
    world.domain.tls = False
    world.domain.save()
    certificate = world.issue()
    assert world.deploy(certificate).state == "stored"
    assert edge.document() is None
    world.domain.tls = True
    world.domain.save()
    assert world.deploy().sentence == "served on 1 of 1"


def test_a_worker_that_was_killed_is_followed_by_the_next(world):
    """Each state that a deployment can be found in leads to the same end."""
    world.add_edge("edge-1")
    world.add_edge("edge-2")
    certificate = world.issue()
    for node in ("", "edge-2", "edge-9"):  # not chosen yet, chosen, and gone since
        Enrollment.objects.filter(pk=world.enrollment.pk).update(current=None)
        world.now()
        row = world.enrollment
        row.candidate, row.candidate_node = certificate, node
        row.save()
        assert world.deploy().sentence == "served on 2 of 2"
        assert world.enrollment.current == certificate
    Certificate.objects.update(served={})  # killed before it looked
    assert world.deploy().sentence == "served on 2 of 2"


def test_starting_twice_and_what_is_served_already_does_nothing(world):
    world.add_edge("edge-1")
    certificate = world.issue()
    deploy_start(world.enrollment, certificate)
    deploy_start(world.enrollment, certificate)
    world.deploy()
    deploy_start(world.enrollment, certificate)
    assert world.now().candidate is None
    assert deploy(0).state == "nothing"


@pytest.mark.parametrize("host", ["*.example.com", "bücher.example"])
def test_wildcards_and_unicode_names_are_asked_for_by_a_name_that_clients_may_send(world, host):
    world.domain.host = host
    world.domain.save()
    world.now()
    edge = world.add_edge("edge-1")
    assert world.deploy(world.issue(world.enrollment.domain.host)).state == "served"
    assert set(edge.served) <= {"cirrus-check.example.com", "xn--bcher-kva.example", "bücher.example"}
