"""What can be done with zones: challenges, and what the metrics say of secondaries."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dnszones.errors import ChallengeRefused
from dnszones.models import Challenge, StagedZone
from dnszones.services import challenge_publish, challenge_withdraw
from dnszones.store import read_zone
from dnszones.watching import secondaries_watch, secondary_lags
from dnszones.zonedata import decode_rrsets
from tests.dnszones.factories import RecordFactory, ZoneFactory

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "_acme-challenge.www.cdn.example"


def texts(world, owner="_acme-challenge.www"):
    stored = read_zone(world.redis.client, "cdn.example").names
    return [data for rtype, _, data in decode_rrsets(stored.get(owner, "[]")) if rtype == "TXT"]


def test_several_challenges_stand_at_one_name_and_go_one_by_one(world):
    challenge_publish(name=NAME, value="one")
    challenge_publish(name=f"{NAME.upper()}.", value="two")
    challenge_publish(name=NAME, value="two")
    world.build()
    assert texts(world) == [('"one"', '"two"')]
    assert challenge_withdraw(name=NAME, value="one") == 1
    world.build()
    assert texts(world) == [('"two"',)]
    assert challenge_withdraw(name=NAME) == 1
    assert challenge_withdraw(name=NAME) == 0
    world.build()
    assert texts(world) == []


def test_a_challenge_stands_beside_an_operators_text(world):
    RecordFactory(zone=world.zone, name="_acme-challenge.www", type="TXT", value="mine", ttl=300)
    challenge_publish(name=NAME, value="one")
    world.build()
    assert texts(world) == [('"mine"', '"one"')]


def test_a_challenge_goes_into_the_deepest_zone(world):
    child = ZoneFactory(apex="www.cdn.example")
    assert challenge_publish(name=NAME, value="one") == child
    assert Challenge.objects.get().name == "_acme-challenge"


def test_a_challenge_stages_only_its_own_zone(world):
    world.build()
    challenge_publish(name=NAME, value="one")
    assert [row.zone_id for row in StagedZone.objects.all()] == [world.zone.pk]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("_acme-challenge.www.elsewhere.example", "x", "in none of the zones"),
        (NAME, "", "plain characters"),
        (NAME, 'a"b', "plain characters"),
        (NAME, "x" * 256, "plain characters"),
        ("_rev.cdn.example", "x", "marker record"),
        ("*.cdn.example", "x", "the star"),
        ("alias.cdn.example", "x", "is a CNAME in the zone"),
    ],
)
def test_a_challenge_that_could_not_be_answered_is_refused(world, name, value, why):
    RecordFactory(zone=world.zone, name="alias", type="CNAME", value="x.example.com")
    with pytest.raises(ChallengeRefused, match=why):
        challenge_publish(name=name, value=value)
    assert not Challenge.objects.exists()


def test_a_disabled_zone_proves_nothing(world):
    world.zone.enabled = False
    world.zone.save()
    with pytest.raises(ChallengeRefused):
        challenge_publish(name=NAME, value="x")


def test_the_lag_of_a_secondary_grows_from_what_it_lacks(world, client):
    world.settle()
    [lag] = secondary_lags(now=timezone.now())
    assert (lag.apex, lag.secondary, lag.seconds, lag.answers) == ("cdn.example", "ns-a", 0.0, True)
    RecordFactory(zone=world.zone)
    world.build()
    secondaries_watch()
    [lag] = secondary_lags(now=timezone.now() + timedelta(seconds=90))
    assert 90 <= lag.seconds < 100
    text = client.get("/metrics").content.decode()
    assert 'cirrus_dns_lag_seconds{secondary="ns-a",zone="cdn.example"}' in text
    [line] = [line for line in text.splitlines() if line.startswith("cirrus_zone_serial{")]
    assert float(line.split()[1]) == world.serial()
