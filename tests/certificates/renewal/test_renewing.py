"""Renewing at real authorities: by their wish, after failures, at the next one, and by command."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from alarms.models import Alarm
from certificates.admin.authorities import authority_line
from certificates.issuance.outcomes import Failed, FailureKind, Issued, Waiting
from certificates.models import Authority, Backoff, Certificate, Enrollment, Order
from certificates.services.ari import windows_ask
from certificates.services.enrollments import enrollment_request
from certificates.services.next_steps import next_step
from certificates.services.situations import tended
from certificates.services.tending import certificates_tend, order_follow
from certificates.services.watching import certificates_alarm
from tests.ari import NEW_ORDER, Front, Refusal
from tests.factories import DomainFactory

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

NEW_ACCOUNT = "/sign-me-up"
#: In our zone, so that nobody has to ask the edges.
HOST = "www.cdn.example"


@pytest.fixture
def front(world, ca, tmp_path):
    """The authority of the world, with a front before it."""
    with Front(ca, tmp_path / "front") as found:
        world.authority.directory_url, world.authority.trust = found.directory, found.trust
        world.authority.save()
        yield found


def work(*, in_: timedelta = timedelta()):
    """What the scheduled job and its tasks do after so much time: the outcomes."""
    found = []
    for order_id in certificates_tend(now=timezone.now() + in_):
        outcome = order_follow(order_id=order_id, patience=20)
        assert not isinstance(outcome, Waiting), outcome
        found.append(outcome)
    return found


def deployed(host=HOST) -> Enrollment:
    """The enrollment, once what was issued is in use."""
    enrollment = Enrollment.objects.get(domain__host=host)
    if enrollment.candidate:
        Enrollment.objects.filter(pk=enrollment.pk).update(current=enrollment.candidate, candidate=None)
        enrollment.refresh_from_db()
    return enrollment


def test_turning_on_https_is_all_that_somebody_has_to_do(world):
    DomainFactory(host=HOST, tls=True)
    (outcome,) = work()

    assert isinstance(outcome, Issued)
    assert deployed().current == outcome.certificate
    assert work() == []
    assert world.ca.orders == 1


def test_an_authority_that_wishes_for_a_renewal_gets_it_and_is_told_what_it_replaces(world, front):
    DomainFactory(host=HOST, tls=True)
    (first,) = work()
    enrollment = deployed()
    past = timezone.now() - DAY
    front.windows[first.certificate.ari_id] = (past, past + HOUR)
    assert windows_ask() == 1
    assert work() == []  # it is brand-new, and so would the next one be

    life = first.certificate.not_after - first.certificate.not_before
    Certificate.objects.update(created_at=timezone.now() - life / 50)
    Enrollment.objects.update(next_attempt_at=None)
    (second,) = work()
    assert second.certificate != first.certificate
    assert front.replaced == ["", first.certificate.ari_id]
    assert deployed().current == second.certificate
    enrollment.refresh_from_db()
    assert enrollment.ari_start is None  # that window was the other one's


def told_next() -> str:
    return next_step(tended().get(domain__host=HOST), now=timezone.now())


def test_one_that_was_revoked_is_renewed_when_somebody_asks_for_it_and_until_then_there_is_an_alarm(
    world, capsys
):
    DomainFactory(host=HOST, tls=True)
    (first,) = work()
    deployed()
    certificate = first.certificate
    call_command("revoke_certificate", HOST, "--reason=keyCompromise", "--no-reissue")
    assert f"no other is ordered until somebody asks for one (manage.py issue_certificate {HOST})" in (
        capsys.readouterr().out
    )
    certificate.refresh_from_db()
    assert certificate.revocation_reason == "keyCompromise"
    assert world.ca.status_of(int(certificate.serial, 16)) == "Revoked"

    assert work() == []
    assert work(in_=certificate.not_after - timezone.now() - MINUTE) == []  # nor when it would have been
    assert told_next() == "nothing by itself: the certificate was revoked, and no other was asked for"
    call_command("renew_certificates", "--dry-run")
    assert "later  never  the certificate was revoked, and no other was" in capsys.readouterr().out
    certificates_alarm()
    alarm = Alarm.objects.open().get(kind="certificate")
    assert (alarm.subject, alarm.severity) == (HOST, "critical")
    assert "was revoked on" in alarm.sentence and "press “Issue now”" in alarm.sentence

    enrollment_request(enrollment=Enrollment.objects.get())
    assert told_next() == "an order now: somebody asked for it"
    (second,) = work()
    certificates_alarm()  # it is being tried, so that somebody need not be told
    assert not Alarm.objects.open().exists()
    assert deployed().current == second.certificate != certificate
    certificates_alarm()
    assert not Alarm.objects.open().exists()
    assert "renewal" in told_next()


def test_another_one_is_ordered_for_one_that_is_revoked_by_command(world, capsys):
    DomainFactory(host=HOST, tls=True)
    with pytest.raises(CommandError, match=f"{HOST} has no certificate yet."):
        call_command("revoke_certificate", HOST)
    (first,) = work()
    deployed()
    call_command("revoke_certificate", HOST)
    assert capsys.readouterr().out.endswith("is revoked; another one is ordered now\n")
    assert world.ca.status_of(int(first.certificate.serial, 16)) == "Revoked"
    with pytest.raises(CommandError, match=r"It was revoked on \S+ already."):
        call_command("revoke_certificate", HOST)
    (second,) = work()
    assert deployed().current == second.certificate != first.certificate


def test_a_certificate_is_revoked_only_for_a_name_and_a_reason_that_there_are(db):
    with pytest.raises(CommandError, match="No domain has the name www.gone.example."):
        call_command("revoke_certificate", "www.gone.example")
    with pytest.raises(CommandError, match="invalid choice: 'boredom'"):
        call_command("revoke_certificate", HOST, "--reason=boredom")


def test_while_the_authority_does_not_wish_for_it_it_is_not_renewed(world, front):
    DomainFactory(host=HOST, tls=True)
    (first,) = work()
    deployed()
    certificate = first.certificate
    late = certificate.not_after - (certificate.not_after - certificate.not_before) / 10
    front.windows[certificate.ari_id] = (late, late + MINUTE)
    windows_ask()
    half = certificate.not_after - (certificate.not_after - certificate.not_before) / 5
    assert work(in_=half - timezone.now()) == []

    emergency = certificate.not_after - (certificate.not_after - certificate.not_before) / 25
    assert len(work(in_=emergency - timezone.now())) == 1


def test_an_order_that_replaces_what_the_authority_does_not_know_is_placed_all_the_same(world, front):
    DomainFactory(host=HOST, tls=True)
    work()
    enrollment = deployed()
    Enrollment.objects.update(requested_at=timezone.now(), next_attempt_at=None)
    front.refusals.append(Refusal(409, "alreadyReplaced"))
    (outcome,) = work()

    assert isinstance(outcome, Issued)
    assert front.replaced == ["", ""]
    enrollment.refresh_from_db()
    assert enrollment.requested_at is None


def test_a_name_without_an_address_waits_and_says_so_until_it_has_one(world, front):
    host = "www.shop.example"
    world.resolver.absent.add(host)
    DomainFactory(host=host, tls=True)
    (first,) = work()
    assert isinstance(first, Failed) and first.kind == FailureKind.CHALLENGE
    enrollment = Enrollment.objects.get()
    assert f"{host} has no address in the DNS: create this record" in enrollment.problem
    assert MINUTE - timedelta(seconds=30) < enrollment.next_attempt_at - timezone.now() < 2 * MINUTE
    assert front.asked == [] and not Backoff.objects.exists()
    assert work() == []

    world.resolver.absent.clear()
    (second,) = work(in_=2 * MINUTE)
    assert isinstance(second, Issued)
    enrollment.refresh_from_db()
    assert (enrollment.problem, enrollment.attempts) == ("", 0)


def test_when_the_first_authority_is_dead_the_second_one_issues(world, front, start_ca):
    world.add_authority(start_ca(), name="Second", position=90)
    front.down = True
    DomainFactory(host=HOST, tls=True)
    (first,) = work()
    assert isinstance(first, Failed) and first.kind == FailureKind.CA_DOWN

    (second,) = work()
    assert second.certificate.authority.name == "Second"


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(429, "rateLimited", retry_after=3600, path=NEW_ACCOUNT),
        Refusal(503, "serverInternal", retry_after=3600),
    ],
    ids=["no account is made", "it is down"],
)
def test_a_wait_that_is_about_no_name_is_waited_by_all(world, front, refusal):
    front.refusals.append(refusal)
    DomainFactory(host=HOST, tls=True)
    (first,) = work()
    assert isinstance(first, Failed) and first.everybody
    authority = Authority.objects.get()
    assert timedelta(minutes=59) < authority.retry_after - timezone.now() < HOUR
    assert "wants to be left alone until" in authority_line(authority).sentence

    before = len(front.asked)
    DomainFactory(host="shop.cdn.example", tls=True)
    assert work() == work(in_=HOUR - 2 * MINUTE) == []
    assert len(front.asked) == before
    problem = Enrollment.objects.get(domain__host="shop.cdn.example").problem
    assert problem == f"No authority may be asked now: {first.sentence}"
    assert all(isinstance(outcome, Issued) for outcome in work(in_=2 * HOUR))
    assert world.ca.orders == 2


def test_when_the_first_authority_refuses_the_name_the_second_one_issues(world, start_ca):
    world.authority.delete()
    refusing = start_ca(blocked=["cdn.example"])
    world.add_authority(refusing, name="First", position=1)
    world.add_authority(start_ca(), name="Second", position=2)
    DomainFactory(host=HOST, tls=True)
    (first,) = work()
    assert isinstance(first, Failed) and first.kind == FailureKind.REJECTED_IDENTIFIER

    (second,) = work()
    assert second.certificate.authority.name == "Second"


def test_a_rate_limit_is_waited_for_and_nobody_asks_in_between(world, front):
    front.refusals.append(Refusal(429, "rateLimited", retry_after=3600))
    domain = DomainFactory(host=HOST, tls=True)
    (outcome,) = work()
    assert isinstance(outcome, Failed) and outcome.kind == FailureKind.RATE_LIMITED
    asked = front.asked.count(NEW_ORDER)
    domain.save()

    assert work() == []
    assert work(in_=HOUR - MINUTE) == []
    assert front.asked.count(NEW_ORDER) == asked
    assert isinstance(work(in_=HOUR + 10 * MINUTE)[0], Issued)


@pytest.fixture
def staging(front, start_ca, tmp_path):
    """The authority of the world has a staging: another one, before which there is a front as well."""
    with Front(start_ca(), tmp_path / "staging", beside=front) as found:
        Authority.objects.update(staging_url=found.directory)
        yield found


def test_after_a_failure_its_staging_is_asked_first_and_then_production(world, front, staging):
    enrollment = world.enroll("www.shop.example")
    enrollment.domain.tls = True
    enrollment.domain.save()
    world.edges.wrong = b"somebody else's site"
    (failed,) = work()
    assert isinstance(failed, Failed) and failed.kind == FailureKind.UNAUTHORIZED
    assert work() == []

    (again,) = work(in_=5 * MINUTE)
    assert isinstance(again, Failed)
    assert (len(front.orders), len(staging.orders)) == (1, 1)
    world.edges.wrong = None
    (proof,) = work(in_=HOUR)
    assert proof.certificate.staging
    enrollment.refresh_from_db()
    assert enrollment.candidate is None  # nobody is served what nobody trusts

    (issued,) = work()
    assert not issued.certificate.staging
    assert (len(front.orders), len(staging.orders)) == (2, 2)
    assert not Backoff.objects.exists()


def test_a_renewal_that_fails_leaves_what_is_served(world, front):
    DomainFactory(host=HOST, tls=True)
    work()
    held = deployed().current
    front.down = True
    Enrollment.objects.update(requested_at=timezone.now(), next_attempt_at=None)
    for wait in (0, 1, 3, 9):
        work(in_=wait * MINUTE)

    enrollment = deployed()
    assert enrollment.attempts >= 3
    assert enrollment.current == held
    assert Certificate.objects.filter(pk=held.pk, revoked_at=None).exists()


def test_the_command_orders_what_is_due_and_tells_what_came_of_it(world):
    DomainFactory(host=HOST, tls=True)
    DomainFactory(host="shop.cdn.example", tls=True)
    out = io.StringIO()
    call_command("renew_certificates", stdout=out)
    told = out.getvalue().splitlines()

    assert [line.split(":")[0] for line in told] == ["shop.cdn.example", HOST]
    assert all("issued by" in line and "valid until" in line for line in told)
    assert Order.objects.filter(state=Order.State.ISSUED).count() == 2
    out = io.StringIO()
    call_command("renew_certificates", stdout=out)
    assert out.getvalue() == "Nothing is due.\n"


def test_the_command_renews_by_force_and_fails_where_an_authority_does(world, front):
    DomainFactory(host=HOST, tls=True)
    call_command("renew_certificates", stdout=io.StringIO())
    first = deployed().current
    call_command("renew_certificates", "--force", "--domain", HOST, stdout=io.StringIO())
    assert deployed().current != first

    front.refusals += [Refusal(429, "rateLimited", retry_after=3600)] * 2
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("renew_certificates", "--force", stdout=out)
    assert f"{HOST}: Pebble limits how often it is asked" in out.getvalue()
    second = deployed().current
    with pytest.raises(SystemExit):
        call_command("renew_certificates", "--force", stdout=out)
    assert deployed().current == second
