"""From SQL to Redis: what is published, when the serial stays, and what is refused."""

import time
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from alarms.models import Alarm
from dnszones import publication
from dnszones.errors import BuildBusy
from dnszones.models import Site, StagedZone, Zone, ZoneVersion
from dnszones.publication import REFUSED
from dnszones.publishing import zones_rebuild
from dnszones.store import Seen, read_zone, seen_text
from dnszones.tasks import rebuild, rebuild_all, tend
from dnszones.tending import read_awaited, zones_follow, zones_tend
from dnszones.zonedata import decode_rrsets, is_newer
from edge import keyspace as names
from edge.models import Publication
from nodes.models import Node
from tests.dnszones.factories import RecordFactory, SecondaryFactory, ZoneFactory
from tests.edge.keyspace_reader import acknowledge
from tests.factories import DomainFactory, HostNameFactory, NodeFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def zone(keyspace):
    """A zone that gives the access names, and is published."""
    zone = ZoneFactory(apex="cdn.example", serves_sites=True)
    zones_rebuild()
    return zone


@pytest.fixture
def edges(keyspace):
    NodeFactory(name="edge-1", ipv4="192.0.2.1")
    NodeFactory(name="edge-2", ipv4="192.0.2.2", ipv6="2001:db8::2")


def caught_up(keyspace, *edges):
    for edge in edges or ("edge-1", "edge-2"):
        acknowledge(keyspace, edge)


def stored(keyspace, apex="cdn.example"):
    found = read_zone(keyspace.client, apex)
    return found and {owner: decode_rrsets(text) for owner, text in found.names.items()}


def addresses(keyspace, name, apex="cdn.example"):
    """The addresses that a whole name is answered with."""
    owner = name.removesuffix(f".{apex}")
    return {
        value
        for rtype, _, data in stored(keyspace, apex).get(owner, ())
        if rtype in ("A", "AAAA")
        for value in data
    }


def access(domain):
    return Site.objects.get(domain=domain).access_name


def serial(keyspace, apex="cdn.example"):
    return read_zone(keyspace.client, apex).serial


def test_a_domain_gets_an_access_name_that_is_answered_with_its_edges(keyspace, edges, zone):
    domain = DomainFactory()
    caught_up(keyspace)
    zones_rebuild()
    assert access(domain) == f"{domain.access_name}.cdn.example"
    assert addresses(keyspace, access(domain)) == {"192.0.2.1", "192.0.2.2", "2001:db8::2"}


def test_domains_that_were_there_before_the_zone_get_access_names_too(keyspace, edges):
    domain = DomainFactory()
    caught_up(keyspace)
    zones_rebuild()
    assert not Site.objects.exists()
    ZoneFactory(apex="cdn.example", serves_sites=True)
    zones_rebuild()
    assert addresses(keyspace, access(domain))


def test_a_host_in_one_of_our_zones_is_answered_like_the_access_name(keyspace, edges, zone):
    ZoneFactory(apex="shop.example")
    domain = DomainFactory(host="shop.example")
    HostNameFactory(domain=domain, name="*.shop.example")
    caught_up(keyspace)
    zones_rebuild()
    answered = addresses(keyspace, access(domain))
    assert answered
    assert addresses(keyspace, "@", "shop.example") == answered
    assert addresses(keyspace, "*", "shop.example") == answered


def test_a_build_that_changes_nothing_keeps_the_serial(keyspace, edges, zone):
    DomainFactory()
    caught_up(keyspace)
    zones_rebuild()
    before, versions = serial(keyspace), ZoneVersion.objects.count()
    [outcome] = zones_rebuild().outcomes
    assert (outcome.serial, outcome.changed) == (before, 0)
    assert serial(keyspace) == before
    assert ZoneVersion.objects.count() == versions


def test_a_change_makes_a_new_version_of_only_the_names_that_differ(keyspace, zone):
    before = serial(keyspace)
    RecordFactory(zone=zone, name="www")
    [outcome] = zones_rebuild().outcomes
    assert is_newer(serial(keyspace), before)
    assert outcome.changed == 1
    assert ZoneVersion.objects.first().changed_names == ["www"]


def test_a_version_is_newer_than_whatever_a_secondary_was_seen_with(keyspace, zone):
    ahead = int(time.time()) + 5_000
    keyspace.client.hset(names.zone_seen_key("cdn.example"), "ns-1", seen_text(Seen(ahead, time.time())))
    zones_rebuild()
    assert serial(keyspace) == ahead + 1


def test_a_database_from_an_old_backup_does_not_turn_the_serial_back(keyspace, zone):
    keyspace_serial = int(time.time()) + 9_000
    keyspace.client.hset(names.zone_key("cdn.example"), "serial", keyspace_serial)
    RecordFactory(zone=zone)
    Zone.objects.update(serial=5)
    zones_rebuild()
    assert serial(keyspace) == keyspace_serial + 1


def test_a_redis_that_was_emptied_gets_the_whole_zone_under_a_newer_serial(keyspace, zone):
    Zone.objects.update(serial=int(time.time()) + 9_000)
    before = Zone.objects.get().serial
    keyspace.client.flushall()
    assert zones_tend()
    assert serial(keyspace) == before + 1
    assert "@" in stored(keyspace)


def test_a_version_that_nobody_could_note_is_noted_by_the_next_build(keyspace, zone):
    written = serial(keyspace)
    ZoneVersion.objects.all().delete()
    Zone.objects.update(serial=written - 1)
    zones_rebuild()
    assert serial(keyspace) == written
    assert ZoneVersion.objects.get().serial == Zone.objects.get().serial == written


def shrunken(zone, *, records):
    made = [RecordFactory(zone=zone) for _ in range(records)]
    zones_rebuild()
    for record in made[1:]:
        record.delete()
    return zones_rebuild().outcomes[0]


def test_a_build_that_would_remove_most_names_keeps_them_and_is_alarmed(keyspace, zone):
    outcome = shrunken(zone, records=20)
    assert "19 of 22 names" in outcome.held
    assert not outcome.refused
    assert len(stored(keyspace)) == 22
    assert Alarm.objects.open().get(kind=REFUSED).subject == "cdn.example"
    assert Zone.objects.get().refusal == outcome.held


def test_all_but_the_names_that_would_go_is_published_meanwhile(keyspace, edges, zone):
    record = RecordFactory(zone=zone, name="stays", type="A", value="192.0.2.1")
    shrunken(zone, records=20)
    held, built_at = serial(keyspace), Zone.objects.get().built_at
    record.value = "192.0.2.9"
    record.save()
    RecordFactory(zone=zone, name="new", type="A", value="192.0.2.2")
    outcome = zones_rebuild().outcomes[0]
    assert "19 of 23 names" in outcome.held
    assert is_newer(serial(keyspace), held)
    assert "192.0.2.9" in str(stored(keyspace)["stays"])
    assert "192.0.2.2" in str(stored(keyspace)["new"])
    assert len(stored(keyspace)) == 24
    # For what waits until answers have expired, no build has left the held names out yet.
    assert Zone.objects.get().built_at == built_at
    assert all(version.facts_at <= built_at for version in ZoneVersion.objects.all())


def test_a_held_zone_that_has_not_changed_keeps_its_serial(keyspace, zone):
    shrunken(zone, records=20)
    held = serial(keyspace)
    outcome = zones_rebuild().outcomes[0]
    assert (outcome.serial, outcome.changed) == (held, 0)
    assert outcome.held
    assert Alarm.objects.open().filter(kind=REFUSED).count() == 1


def test_a_held_version_is_published_by_force_and_the_alarm_is_over(keyspace, zone, capsys):
    shrunken(zone, records=20)
    with pytest.raises(CommandError) as refused:
        call_command("rebuild_zones", "cdn.example")
    assert refused.value.returncode == 1
    call_command("rebuild_zones", "CDN.example", "--force")
    assert len(stored(keyspace)) == 3
    assert not Alarm.objects.open().exists()
    assert Zone.objects.get().refusal == ""


def test_a_few_names_may_go_from_a_small_zone(keyspace, zone):
    outcome = shrunken(zone, records=9)
    assert (outcome.refused, outcome.held) == ("", "")
    assert len(stored(keyspace)) == 3


def test_a_redis_that_lost_the_zone_does_not_open_the_door_to_a_shrunken_one(keyspace, zone):
    made = [RecordFactory(zone=zone) for _ in range(20)]
    zones_rebuild()
    keyspace.client.flushall()
    for record in made:
        record.delete()
    assert "20 of 22 names" in zones_rebuild().outcomes[0].refused
    assert stored(keyspace) is None
    assert Alarm.objects.open().get(kind=REFUSED).subject == "cdn.example"


def test_a_version_is_remembered_for_as_long_as_the_answers_live_that_it_has_replaced(
    keyspace, edges, zone, monkeypatch
):
    monkeypatch.setattr(publication, "MOST_VERSIONS", 2)
    record = RecordFactory(zone=zone, type="A", value="192.0.2.1", ttl=86_400)
    zones_rebuild()
    record.delete()
    zones_rebuild()
    ZoneVersion.objects.update(insync_at=timezone.now() - timedelta(seconds=3_700))
    for _ in range(4):
        RecordFactory(zone=zone)
        zones_rebuild()
    assert [*ZoneVersion.objects.values_list("replaced_ttl", flat=True)] == [0, 0, 86_400]
    ZoneVersion.objects.update(insync_at=timezone.now() - timedelta(days=8))
    RecordFactory(zone=zone)
    zones_rebuild()
    assert ZoneVersion.objects.count() == 2


def test_a_zone_that_waits_for_a_name_server_does_not_keep_the_index_from_being_complete(keyspace, zone):
    keyspace.client.delete(names.ZONES_CONFIRMED)
    ZoneFactory(apex="bare.example", server=False)
    zones_rebuild()
    assert keyspace.client.get(names.ZONES_CONFIRMED)


def test_a_lost_zone_that_is_refused_is_not_built_again_and_again(keyspace, zone):
    made = [RecordFactory(zone=zone) for _ in range(20)]
    zones_rebuild()
    keyspace.client.flushall()
    for record in made:
        record.delete()
    assert zones_rebuild().outcomes[0].refused
    assert not zones_tend()


def test_what_an_older_redis_does_not_know_counts_as_replaced(keyspace, edges, zone):
    keys = names.zone_key("cdn.example"), names.zone_names_key("cdn.example"), names.ZONES
    before, old = {key: keyspace.client.hgetall(key) for key in keys}, serial(keyspace)
    domain = DomainFactory()
    caught_up(keyspace)
    zones_rebuild()
    assert serial(keyspace) != old
    for key, fields in before.items():
        keyspace.client.delete(key)
        keyspace.client.hset(key, mapping=fields)
    domain.delete()
    zones_rebuild()
    assert ZoneVersion.objects.first().replaced_ttl == zone.default_ttl


def test_what_redis_has_lost_counts_as_replaced(keyspace, edges, zone):
    domain = DomainFactory()
    caught_up(keyspace)
    zones_rebuild()
    keyspace.client.delete(names.zone_key("cdn.example"), names.zone_names_key("cdn.example"))
    domain.delete()
    zones_rebuild()
    assert ZoneVersion.objects.first().replaced_ttl == zone.default_ttl


def test_a_zone_without_name_servers_waits_for_one(keyspace):
    zone = ZoneFactory(apex="bare.example", server=False)
    [outcome] = zones_rebuild().outcomes
    assert "name server" in outcome.refused
    assert stored(keyspace, "bare.example") is None
    assert not Alarm.objects.exists()
    zone.refresh_from_db()
    assert zone.serial == 0


@pytest.mark.parametrize("how", ["deleted", "disabled"])
def test_a_zone_that_is_deleted_or_disabled_is_withdrawn(keyspace, zone, how):
    if how == "deleted":
        zone.delete()
    else:
        zone.enabled = False
        zone.save()
    assert zones_rebuild().removed == ["cdn.example"]
    assert stored(keyspace) is None
    assert not StagedZone.objects.exists()


def test_a_zone_that_a_restored_database_lacks_stays(keyspace, zone):
    with connection.cursor() as cursor:
        for table in ("dnszones_nameserver", "dnszones_zoneversion", "dnszones_zone"):
            cursor.execute(f"DELETE FROM {table}")
    assert zones_rebuild().removed == []
    assert stored(keyspace) is not None


def test_an_edge_that_has_not_caught_up_is_not_answered_until_it_has(keyspace, edges, zone):
    domain = DomainFactory()
    caught_up(keyspace, "edge-1")
    result = zones_rebuild()
    assert addresses(keyspace, access(domain)) == {"192.0.2.1"}
    rev = Publication.objects.get(kind="domain").since_rev
    assert result.awaited == {"edge-2": rev}
    caught_up(keyspace, "edge-2")
    zones_rebuild()
    assert addresses(keyspace, access(domain)) == {"192.0.2.1", "192.0.2.2", "2001:db8::2"}


def test_a_new_site_that_no_edge_has_is_not_answered_at_all(keyspace, edges, zone):
    domain = DomainFactory()
    zones_rebuild()
    assert addresses(keyspace, access(domain)) == set()
    assert not Publication.objects.get(kind="domain").answered


def test_an_edge_that_is_answered_stays_answered_while_it_lags_behind_a_change(keyspace, edges, zone):
    domain = DomainFactory()
    caught_up(keyspace)
    zones_rebuild()
    before = addresses(keyspace, access(domain))
    domain.default_ttl += 1
    domain.save()
    zones_rebuild()
    assert addresses(keyspace, access(domain)) == before


def test_a_new_alias_is_answered_only_by_edges_that_have_it(keyspace, edges, zone):
    ZoneFactory(apex="shop.example")
    domain = DomainFactory(host="www.shop.example")
    caught_up(keyspace)
    zones_rebuild()
    HostNameFactory(domain=domain, name="new.shop.example")
    caught_up(keyspace, "edge-1")
    result = zones_rebuild()
    assert addresses(keyspace, "new", "shop.example") == {"192.0.2.1"}
    assert addresses(keyspace, "www", "shop.example") == {"192.0.2.1", "192.0.2.2", "2001:db8::2"}
    assert set(result.awaited) == {"edge-2"}
    caught_up(keyspace)
    zones_rebuild()
    assert addresses(keyspace, "new", "shop.example") == addresses(keyspace, "www", "shop.example")


def test_a_node_that_goes_down_leaves_the_answers(keyspace, edges, zone):
    domain = DomainFactory()
    caught_up(keyspace)
    zones_rebuild()
    node = Node.objects.get(name="edge-1")
    node.state = Node.State.DOWN
    node.save()
    zones_rebuild()
    assert addresses(keyspace, access(domain)) == {"192.0.2.2", "2001:db8::2"}
    assert ZoneVersion.objects.first().nodes == ["edge-2"]
    assert ZoneVersion.objects.first().replaced_ttl == 60


def test_the_build_that_waits_is_tried_again_only_when_an_edge_has_caught_up(keyspace, edges, zone):
    DomainFactory()
    first = zones_follow()
    assert first.again
    built = Zone.objects.get().built_at
    assert zones_follow(attempt=1, chain=first.chain).again
    assert Zone.objects.get().built_at == built
    caught_up(keyspace)
    followed = zones_follow(attempt=2, chain=first.chain)
    assert (followed.again, followed.published) == (False, True)
    assert Zone.objects.get().built_at > built


def test_what_is_staged_while_redis_is_down_is_built_when_it_is_back(keyspace, zone):
    keyspace.stop()
    RecordFactory(zone=zone, name="late")
    assert not zones_tend()
    keyspace.start()
    assert zones_tend()
    assert "late" in stored(keyspace)
    assert not StagedZone.objects.exists()
    assert not zones_tend()


def test_the_secondaries_are_told_to_the_primary_with_sealed_keys(keyspace, zone):
    secondary = SecondaryFactory(name="ns-a", key="c2VjcmV0")
    zones_rebuild()
    entry = keyspace.client.hget(names.SECONDARIES, "ns-a")
    entry = entry.decode() if isinstance(entry, bytes) else entry
    assert secondary.tsig_secret in entry
    assert "c2VjcmV0" not in entry


def test_building_takes_no_more_queries_for_more_domains(
    keyspace, edges, zone, django_assert_max_num_queries
):
    def built(count):
        for _ in range(count):
            DomainFactory()
        caught_up(keyspace)
        with django_assert_max_num_queries(45) as queries:
            zones_rebuild()
        return len(queries)

    assert built(20) == built(1)


def tasks_sent():
    """How many tasks wait for a worker."""
    return redis.Redis.from_url(settings.CELERY_BROKER_URL).llen("celery:celery")


def test_many_saves_wake_one_worker(keyspace, zone):
    before = tasks_sent()
    for _ in range(3):
        RecordFactory(zone=zone)
    assert tasks_sent() == before + 1
    zones_rebuild()
    RecordFactory(zone=zone)
    assert tasks_sent() == before + 2


def test_the_task_asks_for_another_build_and_for_a_look_at_the_secondaries(keyspace, edges, zone):
    DomainFactory()
    before = tasks_sent()
    rebuild()
    assert tasks_sent() == before + 1  # to be tried again: no edge has the domain
    caught_up(keyspace)
    rebuild(attempt=1, chain=read_awaited().chain)
    assert tasks_sent() == before + 2  # to be watched: it is published
    rebuild_all()
    tend()
    assert tasks_sent() == before + 2


def test_a_redis_that_was_emptied_takes_no_site_off_the_air(keyspace, edges, zone):
    """It has lost who answers, and what the edges have acknowledged, too."""
    domain = DomainFactory()
    HostNameFactory(domain=domain, name="alias.cdn.example")
    caught_up(keyspace)
    zones_rebuild()
    before = addresses(keyspace, access(domain))
    NodeFactory(name="edge-3", ipv4="192.0.2.3")
    keyspace.client.flushall()
    zones_rebuild()
    assert addresses(keyspace, access(domain)) == addresses(keyspace, "alias") == before
    assert ZoneVersion.objects.first().nodes == ["edge-1", "edge-2"]


def test_more_zones_take_no_more_queries(keyspace, zone, django_assert_max_num_queries):
    def built(count):
        for _ in range(count):
            ZoneFactory()
        zones_rebuild()
        with django_assert_max_num_queries(45) as queries:
            zones_rebuild()
        return len(queries)

    assert built(1) == built(20)


def test_one_worker_builds_at_a_time_and_nothing_is_lost(keyspace, zone):
    RecordFactory(zone=zone, name="late")
    with keyspace.client.lock(names.ZONES_LOCK, timeout=10):
        with pytest.raises(BuildBusy):
            zones_rebuild(patience=0.1)
        assert not zones_tend()
        assert StagedZone.objects.exists()
    zones_rebuild()
    assert "late" in stored(keyspace)


def test_building_one_zone_leaves_what_is_staged_of_others(keyspace, zone):
    other = ZoneFactory(apex="other.example")
    zones_rebuild()
    RecordFactory(zone=zone, name="one")
    RecordFactory(zone=other, name="two")
    zones_rebuild(only={"cdn.example"})
    assert "one" in stored(keyspace)
    assert "two" not in stored(keyspace, "other.example")
    assert zones_tend()
    assert "two" in stored(keyspace, "other.example")


def test_what_a_hand_has_spoilt_in_redis_is_mended(keyspace, edges, zone):
    domain = DomainFactory()
    caught_up(keyspace)
    zones_rebuild()
    right = stored(keyspace)
    for spoilt in ("nonsense", "7", '[["A"]]'):
        keyspace.client.hset(names.zone_names_key("cdn.example"), domain.access_name, spoilt)
        keyspace.client.hset(names.zone_key("cdn.example"), "soa", spoilt)
        zones_rebuild()
        assert stored(keyspace) == right
