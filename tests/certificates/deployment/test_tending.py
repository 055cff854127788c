"""What is done without being asked: placeholders, unfinished deployments, and a look at what edges serve."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from django.core.cache import cache

from alarms.models import Alarm
from certificates.checks.reading import read_pem
from certificates.deployment import certificate_upload, deploy, placeholder_ensure, tasks, tending
from certificates.deployment.tasks import deploy_certificate, resume_deployments
from certificates.deployment.tending import (
    ALARM,
    deployments_unfinished,
    placeholders_ensure,
    served_watch,
)
from certificates.models import Certificate, Enrollment
from tests.certificates.house import DAY, NOW, the_house
from tests.factories import DomainFactory, HostNameFactory


def alarms():
    return [*Alarm.objects.open().filter(kind=ALARM).values_list("subject", "sentence")]


# -- placeholders -----------------------------------------------------------------------------------


def test_a_domain_that_waits_for_its_first_certificate_serves_a_placeholder(world):
    edge = world.add_edge("edge-1")
    HostNameFactory(domain=world.domain, name="*.example.com")
    assert placeholders_ensure() == 0  # the save has made it
    assert world.deploy().sentence == "served on 1 of 1"
    part = edge.document()["current"]
    assert (part["placeholder"], part["names"]) == (True, ["*.example.com", "www.example.com"])
    leaf = x509.load_pem_x509_certificate(part["chain"].encode())
    leaf.verify_directly_issued_by(leaf)
    assert world.enrollment.issued_at is None


def test_a_placeholder_follows_the_names_and_is_renewed(world):
    placeholder_ensure(world.enrollment)
    first = world.now().current
    HostNameFactory(domain=world.domain, name="example.com")
    second = world.now().current
    assert "example.com" in second.names and not Certificate.objects.filter(pk=first.pk).exists()
    Certificate.objects.filter(pk=second.pk).update(not_before=NOW - 80 * DAY, not_after=NOW + 10 * DAY)
    assert placeholders_ensure() == 1
    assert world.now().current.not_after > NOW + 80 * DAY
    assert placeholders_ensure() == 0


def test_where_nothing_can_be_sealed_a_domain_is_saved_all_the_same(world, settings, tmp_path, caplog):
    (tmp_path / "file").touch()
    nowhere = {"sealing_keys": "", "var_dir": tmp_path / "file"}
    settings.CIRRUS = settings.CIRRUS.model_copy(update=nowhere)
    domain = DomainFactory(host="shop.example.com", tls=True)
    assert domain.enrollment.current is None
    assert "no placeholder is made for shop.example.com" in caplog.text


def test_placeholders_that_no_save_has_made_are_made(world):
    assert world.enrollment.current is None
    assert [placeholders_ensure(), placeholders_ensure()] == [1, 0]
    assert world.now().current.source == Certificate.Source.PLACEHOLDER


def test_a_placeholder_takes_no_real_certificates_place(world):
    world.deploy(world.issue())
    Certificate.objects.update(not_after=NOW - DAY)
    assert not placeholder_ensure(world.enrollment)


def test_no_placeholder_is_made_once_browsers_were_told_to_insist(world):
    Enrollment.objects.filter(pk=world.enrollment.pk).update(issued_at=NOW, current=None)
    assert placeholder_ensure(world.enrollment)  # without HSTS a warning can be passed by
    Enrollment.objects.filter(pk=world.enrollment.pk).update(current=None)
    world.domain.hsts_max_age = 300
    world.domain.save()
    assert not placeholder_ensure(world.enrollment)


def test_no_placeholder_is_made_without_https(world):
    world.domain.tls = False
    world.domain.save()
    assert not placeholder_ensure(world.enrollment)


# -- unfinished deployments -------------------------------------------------------------------------


def test_what_a_killed_worker_has_left_is_found(world):
    world.add_edge("edge-1")
    assert deployments_unfinished() == []
    world.start(world.issue())
    assert deployments_unfinished() == [world.enrollment.pk]
    world.deploy()
    assert deployments_unfinished() == []
    Certificate.objects.update(served={})
    assert deployments_unfinished() == [world.enrollment.pk]


def test_however_many_wait_each_gets_its_turn(world, monkeypatch):
    monkeypatch.setattr(tending, "SOME", 2)
    certificate = world.issue()
    others = [DomainFactory(host=f"n{number}.example.com", tls=True).enrollment for number in range(4)]
    Enrollment.objects.update(candidate=certificate)
    everybody = {world.enrollment.pk, *(each.pk for each in others)}
    seen = []
    for _ in range(3):
        turn = deployments_unfinished()
        assert len(turn) == 2
        # None of them gets anywhere: the certificate is not for them, and is theirs again.
        for pk in turn:
            deploy(pk)
            Enrollment.objects.filter(pk=pk).update(candidate=certificate)
        seen += turn
    assert set(seen) == everybody
    assert seen[5] == seen[0], "the one that has waited longest is next"


def test_one_worker_at_a_time_has_a_deployment(world):
    world.add_edge("edge-1")
    world.start(world.issue())
    cache.set(f"deploying:{world.enrollment.pk}", "1", 60)
    deploy_certificate(world.enrollment.pk)
    assert world.now().candidate is not None
    cache.delete(f"deploying:{world.enrollment.pk}")
    deploy_certificate(world.enrollment.pk)
    assert world.now().candidate is None
    assert cache.get(f"deploying:{world.enrollment.pk}") is None


def test_one_that_waits_for_edges_is_tried_again_after_a_while(world, monkeypatch):
    edge = world.add_edge("edge-1")
    world.deploy(world.issue())
    edge.close()
    world.start(world.issue(begin=NOW - DAY))
    deploy_certificate(world.enrollment.pk)
    woken = []
    monkeypatch.setattr(tasks, "wake", woken.append)
    resume_deployments()
    assert (woken, world.now().candidate is not None) == ([], True)
    cache.delete(f"deployment-waits:{world.enrollment.pk}")
    resume_deployments()
    assert woken == [world.enrollment.pk]


def test_one_that_cannot_be_served_now_is_not_looked_at_all_the_time(world, monkeypatch):
    world.deploy(world.issue())
    assert deployments_unfinished() == [world.enrollment.pk]
    deploy_certificate(world.enrollment.pk)
    woken = []
    monkeypatch.setattr(tasks, "wake", woken.append)
    resume_deployments()
    assert woken == []


# -- what edges serve -------------------------------------------------------------------------------


def test_an_edge_that_serves_another_certificate_raises_an_alarm_until_it_is_well(world):
    world.add_edge("edge-1")
    wrong = world.add_edge("edge-2")
    world.deploy(world.issue())
    assert served_watch()["www.example.com"].sentence == "served on 2 of 2"
    assert alarms() == []
    wrong.serves = the_house().bundle("other.example")
    assert served_watch()["www.example.com"].ok == ["edge-1"]
    ((subject, sentence),) = alarms()
    assert subject == "www.example.com" and "edge-2: it serves another certificate" in sentence
    assert world.now().current.served["edge-2"]["ok"] is False
    wrong.serves = None
    served_watch()
    assert alarms() == []
    assert world.now().current.served["edge-2"]["ok"] is True


def test_an_edge_that_is_gone_is_no_alarm_of_certificates(world):
    world.add_edge("edge-1")
    gone = world.add_edge("edge-2")
    world.deploy(world.issue())
    gone.close()
    assert list(served_watch()["www.example.com"].wrong) == ["edge-2"]
    assert alarms() == []


def test_an_edge_that_does_not_have_the_newest_document_yet_is_no_alarm(world):
    late = world.add_edge("edge-1")
    world.deploy(world.issue())
    late.silent = True
    late.serves = the_house().bundle("other.example")
    world.domain.refresh_from_db()
    row = world.now()
    row.current = world.issue(begin=NOW - DAY)
    row.save()
    assert served_watch()["www.example.com"].ok == []
    assert alarms() == []


def test_domains_that_are_not_served_over_https_are_not_looked_at(world):
    world.add_edge("edge-1")
    world.deploy(world.issue())
    for change in ({"tls": False}, {"tls": True, "enabled": False}):
        for name, value in change.items():
            setattr(world.domain, name, value)
        world.domain.save()
        assert served_watch() == {}


def test_alarms_of_domains_that_serve_no_https_any_more_are_over(world):
    edge = world.add_edge("edge-1")
    world.deploy(world.issue())
    edge.serves = the_house().bundle("other.example")
    served_watch()
    assert len(alarms()) == 1
    world.domain.tls = False
    world.domain.save()
    served_watch()
    assert alarms() == []


def test_one_certificate_of_several_domains_is_well_only_where_all_are(world):
    edge = world.add_edge("edge-1")
    other = DomainFactory(host="shop.example.com", tls=True)
    material = read_pem(*the_house().bundle("*.example.com"))
    uploaded = certificate_upload(material=material, domains=[world.domain, other])
    deploy(world.enrollment.pk)
    Enrollment.objects.filter(domain=other).update(current=uploaded.certificate, candidate=None)
    edge.serves = None
    assert set(served_watch()) == {"www.example.com", "shop.example.com"}
    uploaded.certificate.refresh_from_db()
    # The played edge knows one host only, and serves the same certificate for both.
    assert uploaded.certificate.served["edge-1"]["ok"] is True


def test_more_than_a_round_takes_turns(world, monkeypatch):
    world.add_edge("edge-1")
    world.deploy(world.issue())
    other = DomainFactory(host="shop.example.com", tls=True)
    Enrollment.objects.get_or_create(domain=other)
    Enrollment.objects.filter(domain=other).update(current=world.enrollment.current)
    monkeypatch.setattr(tending, "ROUND", 1)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    rounds = [set(served_watch(now=now + n * timedelta(seconds=tending.EVERY))) for n in range(2)]
    assert rounds[0] | rounds[1] == {"www.example.com", "shop.example.com"}
    assert len(rounds[0]) == len(rounds[1]) == 1


def test_a_look_at_many_that_are_well_takes_the_same_few_questions(world, django_assert_max_num_queries):
    world.add_edge("edge-1")
    hosts = [f"n{number}.example.com" for number in range(12)]
    for host in hosts:
        DomainFactory(host=host, tls=True)
    certificate = world.issue("www.example.com", *hosts)
    world.deploy(certificate)
    Enrollment.objects.update(current=certificate)  # the played edge serves the same to everybody
    assert not any(seen.wrong for seen in served_watch().values())
    with django_assert_max_num_queries(12):
        assert len(served_watch()) == 13


def test_without_edges_there_is_nothing_to_look_at(world):
    world.deploy(world.issue())
    assert served_watch() == {}
