"""Fixtures of the tests of the configuration."""

import pytest

from certificates.models import Authority, Enrollment
from dnszones.models import NameServer
from dnszones.services import site_steer
from dnszones.sites import sites_add
from nodes.models import RegionBackup
from tests.dnszones.factories import RecordFactory, SecondaryFactory, ZoneFactory
from tests.factories import (
    CacheConditionFactory,
    CacheRuleFactory,
    DomainFactory,
    HostNameFactory,
    NodeFactory,
    OriginFactory,
    RegionFactory,
)


@pytest.fixture
def installation(keyspace):
    """Something of everything."""
    west, east = RegionFactory(name="eu-west", title="West"), RegionFactory(name="eu-east")
    RegionBackup(region=west, backup=east, position=10).save()
    RegionBackup(region=east, backup=west, position=10).save()
    NodeFactory(name="edge-1", ipv4="192.0.2.1", region=west)
    two = NodeFactory(name="edge-2", ipv4="192.0.2.2", region=east, weight=50)
    Authority.objects.create(name="house", directory_url="https://127.0.0.1:1/dir", terms_agreed=True)
    zone = ZoneFactory(apex="cdn.example", serves_sites=True)
    NameServer.objects.create(zone=zone, name="ns0.elsewhere.example")
    RecordFactory(zone=zone, name="@", type="TXT", value='"one" "two"')
    RecordFactory(zone=zone, name="www", ttl=600)
    SecondaryFactory(name="ns1").zones.add(zone)
    domain = DomainFactory(host="www.example.com", notes="first\nsecond", tls=True)
    HostNameFactory(domain=domain, name="example.com")
    OriginFactory(domain=domain, port=8081, backup=True)
    rule = CacheRuleFactory(domain=domain, edge_ttl=60)
    CacheConditionFactory(rule=rule, values="/img/\n/css/")
    DomainFactory(host="off.example.com", enabled=False)
    Enrollment.objects.filter(domain=domain).update(key_type="rsa-3072")
    sites_add()
    site_steer(site=domain.site, ttl=30, pinned=[two])
    return keyspace
