"""Certificates by DNS-01 through the real way: SQL, the hidden primary, a real NSD, a real authority."""

import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from certificates.issuance.chains import alternative_names
from certificates.issuance.orders import order_advance
from certificates.issuance.outcomes import Issued, Waiting
from certificates.models import Certificate, Enrollment
from dnszones.models import Challenge, Site
from dnszones.publishing import zones_rebuild
from tests.ca import CertificateAuthority, Resolver
from tests.certificates.issuance.world import authority_of, issued, open_order
from tests.dnszones.factories import SecondaryFactory, ZoneFactory
from tests.factories import DomainFactory
from tests.servers import NsdServer, eventually, free_port

pytestmark = pytest.mark.system

APEX = "cdn.example"


@pytest.fixture
def nsd(keyspace, transactional_db, start_primary, tmp_path):
    """The secondary of our zone, which serves what SQL says of it."""
    server = NsdServer(tmp_path / "nsd", free_port())
    ZoneFactory(apex=APEX, serves_sites=True)
    SecondaryFactory(name="ns1", port=server.port)
    zones_rebuild()
    primary = start_primary()
    call_command(
        *("nsd_config", "--secondary", "ns1", "--folder", str(server.folder)),
        *("--primary", f"127.0.0.1@{primary.port}", "--verify-port", str(free_port())),
        *("--python", sys.executable),
        stdout=StringIO(),
    )
    server.start()
    eventually(lambda: server.ask(f"_rev.{APEX}", "TXT"))
    yield server
    server.stop()


@pytest.fixture
def resolver(nsd):
    """What the authority and our delegation checks ask: names in our zone at NSD."""
    found = Resolver()
    found.zones[APEX] = nsd.port
    yield found
    found.stop()


@pytest.fixture
def authority(tmp_path, resolver, settings):
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"resolvers": [resolver.address]})
    with CertificateAuthority(tmp_path / "ca", resolver=resolver, bad_nonces=10) as ca:
        yield authority_of(ca)


def enroll(host, *aliases):
    domain = DomainFactory(host=host)
    for name in aliases:
        domain.hostnames.create(name=name)
    return Enrollment.objects.update_or_create(domain=domain)[0]


def run(command, *words):
    out = StringIO()
    call_command(command, *words, stdout=out)
    return out.getvalue()


def test_wildcard_and_apex_are_issued_once_nsd_has_both_texts(authority, nsd):
    enroll(APEX, f"*.{APEX}")
    said = run("issue_certificate", APEX)
    assert "the authority looks" in said
    assert "Issued by CN=Pebble Intermediate CA" in said
    assert Certificate.objects.get(source="acme").names == [f"*.{APEX}", APEX]
    assert not Challenge.objects.exists()
    zones_rebuild()
    eventually(lambda: not nsd.ask(f"_acme-challenge.{APEX}", "TXT"))


def test_a_delegated_name_is_issued_once_its_record_is_there(authority, resolver):
    enrollment = enroll("shop.example", "*.shop.example")
    with pytest.raises(CommandError, match=r"reate this record: _acme-challenge.shop.example. CNAME"):
        run("issue_certificate", "shop.example")
    access = Site.objects.get(domain=enrollment.domain).access_name
    resolver.aliases["_acme-challenge.shop.example"] = f"_acme-challenge.{access}"
    assert "Issued by" in run("issue_certificate", "*.shop.example")


def test_nothing_is_answered_before_nsd_has_the_text(authority, nsd):
    order = open_order(enroll(f"www.{APEX}"), authority)
    nsd.stop()
    asked = []
    outcome = order_advance(order.pk, patience=2, progress=asked.append)
    assert isinstance(outcome, Waiting)
    assert "ns1" in outcome.why
    assert "ask challenge" not in asked
    nsd.start()
    outcome = eventually(lambda: isinstance(found := order_advance(order.pk), Issued) and found)
    assert alternative_names(issued(outcome)) == (f"www.{APEX}",)
