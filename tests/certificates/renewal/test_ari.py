"""Asking an authority when it would like to renew (RFC 9773), by a front before a real one."""

import datetime as dt
from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.services.ari import windows_ask
from certificates.services.tending import certificates_tend
from tests.ari import RENEWAL_INFO, Front
from tests.ca import CertificateAuthority
from tests.certificates.renewal.rows import authority, enrolled, serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("keyspace")]

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    with CertificateAuthority(tmp_path_factory.mktemp("ca")) as found:
        yield found


@pytest.fixture
def front(ca, tmp_path):
    with Front(ca, tmp_path) as found:
        yield found


@pytest.fixture
def enrollment(front):
    one = authority("one", directory_url=front.directory, trust=front.trust)
    found = enrolled()
    serving(found, authority=one, left=0.9)
    return found


def ask(enrollment, **more):
    asked = windows_ask(**more)
    enrollment.refresh_from_db()
    return asked


def asked_for_windows(front) -> int:
    return sum(path.startswith(f"{RENEWAL_INFO}/") for path in front.asked)


def test_a_point_in_the_window_is_chosen_once(front, enrollment):
    start = timezone.now() + 10 * DAY
    front.windows[enrollment.current.ari_id] = (start, start + 2 * DAY)
    front.explanation = "https://ca.example/why"
    assert ask(enrollment, chance=lambda: 0.25) == 1

    assert enrollment.renew_at == start + DAY / 2
    assert (enrollment.ari_start, enrollment.ari_end) == (start, start + 2 * DAY)
    assert enrollment.ari_explanation == "https://ca.example/why"
    ask(enrollment, now=timezone.now() + 7 * HOUR, chance=lambda: 0.75)
    assert enrollment.renew_at == start + DAY / 2


def test_another_window_is_another_point(front, enrollment):
    start = timezone.now() + 10 * DAY
    front.windows[enrollment.current.ari_id] = (start, start + 2 * DAY)
    ask(enrollment, chance=lambda: 0.25)
    past = timezone.now() - 2 * DAY
    front.windows[enrollment.current.ari_id] = (past, past + DAY)
    ask(enrollment, now=timezone.now() + 7 * HOUR, chance=lambda: 0.5)

    assert enrollment.renew_at == past + DAY / 2
    assert len(certificates_tend()) == 1  # so it is due at once


def test_it_is_asked_again_when_the_authority_says_so(front, enrollment):
    now = timezone.now()
    front.windows[enrollment.current.ari_id] = (now + DAY, now + 2 * DAY)
    front.retry_after = 7200
    ask(enrollment)
    assert now + 2 * HOUR - MINUTE < enrollment.ari_check_at < now + 2 * HOUR + MINUTE

    assert ask(enrollment, now=now + HOUR) == 0
    assert asked_for_windows(front) == 1
    assert ask(enrollment, now=now + 3 * HOUR) == 1


def test_an_authority_without_windows_is_renewed_at_a_third(front, enrollment):
    front.tells_windows = False
    ask(enrollment)

    assert enrollment.ari_start is None
    assert 47 * DAY < enrollment.renew_at - timezone.now() < 52 * DAY
    assert enrollment.ari_check_at > timezone.now() + 5 * HOUR
    assert asked_for_windows(front) == 0


def test_what_an_authority_in_trouble_said_before_stays(front, enrollment):
    start = timezone.now() + 10 * DAY
    front.windows[enrollment.current.ari_id] = (start, start + 2 * DAY)
    ask(enrollment, chance=lambda: 0.5)
    front.down = True
    later = timezone.now() + 7 * HOUR
    ask(enrollment, now=later)

    assert enrollment.renew_at == start + DAY
    assert later < enrollment.ari_check_at <= later + HOUR


def test_an_authority_that_is_down_is_asked_once_for_all_its_certificates(front, enrollment):
    for number in range(4):
        serving(enrolled(f"n{number}.example"), authority=enrollment.current.authority)
    front.down = True
    ask(enrollment)

    assert len(front.asked) == 1


def test_a_window_that_makes_no_sense_is_none(front, enrollment):
    now = timezone.now()
    front.windows[enrollment.current.ari_id] = (now, now - DAY)
    ask(enrollment)

    assert enrollment.ari_start is None
    assert enrollment.renew_at > now + 47 * DAY


def test_a_window_at_no_time_that_there_is_holds_up_nobody(front, enrollment):
    east, west = (dt.timezone(sign * 14 * HOUR) for sign in (1, -1))
    window = (dt.datetime.min.replace(tzinfo=east), dt.datetime.max.replace(tzinfo=west))
    front.windows[enrollment.current.ari_id] = window
    ask(enrollment)

    assert enrollment.ari_start is None
    assert enrollment.ari_check_at > timezone.now()


def test_an_ended_certificate_is_not_asked_for(front, enrollment):
    assert ask(enrollment, now=timezone.now() + 100 * DAY) == 0
    assert front.asked == []
