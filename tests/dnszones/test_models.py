"""Zones, records and overrides: what may be typed, how it is stored, and why the rest is refused."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from dnszones.models import NameServer, Record, Site, StagedZone, Zone
from dnszones.names import closest_apex, covering_cut, normalize_owner
from dnszones.publishing import zones_rebuild
from dnszones.records import normalize_value
from dnszones.services import site_steer
from tests.dnszones.factories import NameServerFactory, RecordFactory, ZoneFactory
from tests.factories import DomainFactory, NodeFactory, RegionFactory

pytestmark = pytest.mark.django_db


def sentence(call):
    with pytest.raises(ValidationError) as refused:
        call()
    return " ".join(refused.value.messages)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("www", "www"),
        ("WWW.A.example", "www"),
        ("www.a.example.", "www"),
        ("", "@"),
        ("a.example", "@"),
        ("@", "@"),
        ("*", "*"),
        ("*.Bücher", "*.xn--bcher-kva"),
        ("_acme-challenge.www", "_acme-challenge.www"),
        ("x.b.example", "x.b.example"),
    ],
)
def test_names_are_stored_relative_to_the_zone(typed, stored):
    assert normalize_owner(typed, "a.example") == stored


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("www.b.example.", "lies outside the zone a.example"),
        ("a..b", "empty label"),
        ("a.*.b", "the star may only stand alone in front"),
        ("foo bar", "not a valid name"),
        ("-x", "not a valid name"),
        ("x" * 64, "not a valid name"),
        (".".join(["x" * 61] * 4), "longer than 253"),
    ],
)
def test_a_wrong_name_is_refused_with_the_reason(typed, why):
    assert why in sentence(lambda: normalize_owner(typed, "a.example"))


@pytest.mark.parametrize(
    ("rtype", "typed", "stored"),
    [
        ("A", " 192.0.2.1 ", "192.0.2.1"),
        ("AAAA", "2001:DB8:0::1", "2001:db8::1"),
        ("CNAME", "WWW.Bücher.example", "www.xn--bcher-kva.example."),
        ("CNAME", "_x._domainkey.mail.example.", "_x._domainkey.mail.example."),
        ("MX", "10  Mail.example.com", "10 mail.example.com."),
        ("MX", "0 .", "0 ."),
        ("TXT", "v=spf1 -all", '"v=spf1 -all"'),
        ("TXT", '"two" "strings"', '"two" "strings"'),
        ("TXT", 'say "hi"; \\', r'"say \"hi\"; \\"'),
        ("TXT", "x" * 300, f'"{"x" * 255}" "{"x" * 45}"'),
        ("CAA", "0 issue letsencrypt.org", '0 issue "letsencrypt.org"'),
    ],
)
def test_values_are_stored_in_one_form(rtype, typed, stored):
    assert normalize_value(rtype, typed) == stored
    assert normalize_value(rtype, stored) == stored


@pytest.mark.parametrize(
    ("rtype", "typed", "why"),
    [
        ("A", "2001:db8::1", "is not a value of an A record; one looks like this: 192.0.2.1"),
        ("A", "999.0.0.1", "not a value of an A record"),
        ("AAAA", "192.0.2.1", "not a value of an AAAA record"),
        ("CNAME", "www", "write the whole name"),
        ("CNAME", "192.0.2.1", "is an address or a number"),
        ("CNAME", ".", "needs the name"),
        ("MX", "mail.example.com", "one looks like this: 10 mail.example.com"),
        ("MX", "70000 mail.example.com", "not a value of an MX record"),
        ("TXT", '"open', "not a value of a TXT record"),
        ("TXT", "a\nb", "one line"),
        ("TXT", "x" * 9_000, "at most 8,000 bytes"),
        ("CAA", "letsencrypt.org", '0 issue "letsencrypt.org"'),
    ],
)
def test_a_wrong_value_is_refused_with_an_example(rtype, typed, why):
    assert why in sentence(lambda: normalize_value(rtype, typed))


def test_a_name_belongs_to_the_deepest_zone():
    apexes = {"a.example", "b.a.example"}
    assert closest_apex("x.b.a.example", apexes) == "b.a.example"
    assert closest_apex("xb.a.example", apexes) == "a.example"
    assert closest_apex("example", apexes) is None
    assert covering_cut("x.y.b", {"b"}) == "b"
    assert covering_cut("xb", {"b"}) is None


@pytest.fixture
def zone(db):
    return ZoneFactory(apex="a.example")


def refused(zone, name, rtype, value, **more):
    return sentence(Record(zone=zone, name=name, type=rtype, value=value, **more).full_clean)


def test_a_zone_is_stored_in_a_labels_and_shown_in_unicode():
    zone = ZoneFactory(apex="Bücher.Example.")
    assert (zone.apex, str(zone)) == ("xn--bcher-kva.example", "bücher.example")


def test_a_zone_keeps_its_name(zone):
    zone.apex = "other.example"
    assert "keeps its name" in sentence(zone.full_clean)


def test_secondaries_keep_a_zone_for_two_weeks_at_least(zone):
    zone.expire = 14 * 86_400 - 1
    assert "1209600" in sentence(zone.full_clean)


def test_one_zone_gives_the_access_names():
    ZoneFactory(serves_sites=True)
    assert "Another zone gives" in sentence(Zone(apex="b.example", serves_sites=True).full_clean)
    with pytest.raises(IntegrityError), transaction.atomic():
        ZoneFactory(serves_sites=True)


def test_a_save_never_puts_back_what_a_build_has_noted(zone):
    stale = Zone.objects.get(pk=zone.pk)
    Zone.objects.filter(pk=zone.pk).update(serial=7)
    stale.notes = "x"
    stale.save()
    assert Zone.objects.values_list("serial", "notes").get() == (7, "x")


@pytest.mark.parametrize("typed", ["nobody", "a b@x.example", "@x.example", f"{'x' * 64}@x.example"])
def test_a_wrong_mail_address_is_refused(zone, typed):
    zone.rname = typed
    sentence(zone.full_clean)


def test_a_name_server_inside_the_zone_needs_an_address(zone):
    assert "nobody can find it" in sentence(NameServer(zone=zone, name="ns9.a.example").full_clean)
    NameServer(zone=zone, name="ns9.b.example").full_clean()


def test_a_cname_stands_alone(zone):
    RecordFactory(zone=zone, name="www", type="TXT", value="x")
    assert "stands alone" in refused(zone, "www", "CNAME", "x.example.")
    RecordFactory(zone=zone, name="docs", type="CNAME", value="x.example.")
    assert "is a CNAME to x.example." in refused(zone, "docs", "A", "192.0.2.1")
    assert "is a CNAME to x.example." in refused(zone, "docs", "CNAME", "y.example.")


def test_the_apex_is_no_cname(zone):
    assert "cannot be a CNAME" in refused(zone, "@", "CNAME", "x.example.")


def test_a_cname_to_itself_is_refused(zone):
    assert "point at itself" in refused(zone, "www", "CNAME", "WWW.a.example")
    record = RecordFactory(zone=zone, name="www", type="CNAME", value="www.www.a.example")
    record.full_clean()


def test_a_record_stands_once(zone):
    RecordFactory(zone=zone, name="www", value="192.0.2.1")
    assert "has this record already" in refused(zone, "www.a.example", "A", " 192.0.2.1")


def test_the_marker_is_ours(zone):
    assert "Cirrus sees" in refused(zone, "_rev", "TXT", "x")


@pytest.mark.parametrize("ttl", [4, 604_801])
def test_a_ttl_has_limits(zone, ttl):
    refused(zone, "www", "A", "192.0.2.1", ttl=ttl)


def test_the_name_of_a_name_server_is_taken(zone):
    assert "This name is a name server" in refused(zone, "ns1", "A", "192.0.2.1")
    Record(zone=zone, name="ns1", type="TXT", value="fine").full_clean()


def test_a_record_below_a_zone_of_ours_belongs_there(zone):
    ZoneFactory(apex="b.a.example")
    assert "the record belongs there" in refused(zone, "x.b", "A", "192.0.2.1")
    assert "the record belongs there" in refused(zone, "b", "TXT", "x")
    Record(zone=zone, name="xb", type="A", value="192.0.2.1").full_clean()


@pytest.mark.django_db(transaction=True)
def test_an_access_name_is_taken_also_after_its_domain(keyspace):
    zone = ZoneFactory(apex="a.example", serves_sites=True)
    domain = DomainFactory(host="www.b.example")
    zones_rebuild()
    label = domain.access_name
    assert "the access name of www.b.example" in refused(zone, label, "CNAME", "x.example.")
    domain.delete()
    assert "a retired access name" in refused(zone, label, "A", "192.0.2.1")
    assert Site.objects.get().label == label


@pytest.mark.django_db(transaction=True)
def test_a_label_is_never_given_again(keyspace):
    ZoneFactory(apex="a.example", serves_sites=True)
    first = DomainFactory()
    zones_rebuild()
    label = first.access_name
    first.delete()
    DomainFactory(access_name=label)
    zones_rebuild()
    assert Site.objects.get(domain=None).label == label
    assert Site.objects.get(domain__isnull=False).label != label


@pytest.mark.django_db(transaction=True)
def test_overrides_of_a_site_are_checked_and_kept(keyspace):
    ZoneFactory(serves_sites=True)
    DomainFactory()
    one, other = NodeFactory(name="edge-1"), NodeFactory(name="edge-2")
    zones_rebuild()
    site = Site.objects.get()
    site_steer(site=site, replicas=1, ttl=30, pinned=[one], excluded=[other], regions=[RegionFactory()])
    assert (site.replicas, site.ttl, list(site.pinned.all())) == (1, 30, [one])
    zones_rebuild()
    site.regions.clear()
    assert StagedZone.objects.count() == 1
    why = sentence(lambda: site_steer(site=site, pinned=[one], excluded=[one]))
    assert why == "edge-1 cannot be both pinned and excluded."
    assert "less than or equal to 8" in sentence(lambda: site_steer(site=site, replicas=9))


def test_a_name_server_stands_once(zone):
    NameServerFactory(zone=zone, name="ns.b.example")
    assert "has this name server already" in sentence(NameServer(zone=zone, name="NS.b.example.").full_clean)
