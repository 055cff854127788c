"""The pages of the DNS, as an operator uses them."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.sealing import open_sealed
from dnszones.models import Record, Secondary, Site, StagedZone, Zone
from dnszones.publishing import zones_rebuild
from dnszones.store import tsig_record
from tests.dnszones.factories import RecordFactory, ZoneFactory
from tests.factories import DomainFactory, NodeFactory
from tests.pages import messages_of, sentences_of

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "/admin/dnszones/zone/add/"
LIST = "/admin/dnszones/zone/"
SOA = {"default_ttl": 60, "refresh": 300, "retry": 60, "expire": 2_419_200, "minimum": 60}


def form(apex=None, *, servers=(), records=(), keep=(), **fields):
    """What the browser sends. `keep`: (record that exists, its new columns, or None to delete it)."""
    data = {"enabled": "on", **SOA, **fields} | ({"apex": apex} if apex else {})
    data |= {"nameservers-TOTAL_FORMS": len(servers), "nameservers-INITIAL_FORMS": 0}
    for number, server in enumerate(servers):
        data |= {f"nameservers-{number}-{name}": value for name, value in server.items()}
    rows = [(row.pk, columns) for row, columns in keep] + [(None, columns) for columns in records]
    data |= {"records-TOTAL_FORMS": len(rows), "records-INITIAL_FORMS": len(keep)}
    for number, (pk, columns) in enumerate(rows):
        data[f"records-{number}-id"] = pk or ""
        for name, value in zip(
            ("name", "type", "value", "ttl"), columns or ("x", "A", "192.0.2.1", ""), strict=True
        ):
            data[f"records-{number}-{name}"] = value
        if columns is None:
            data[f"records-{number}-DELETE"] = "on"
    return data


def change(item):
    return reverse(f"admin:{item._meta.app_label}_{item._meta.model_name}_change", args=[item.pk])


def text_of(answer):
    return answer.content.decode()


@pytest.fixture
def zone(keyspace, transactional_db):
    return ZoneFactory(apex="a.example", serves_sites=True, server=False)


def test_a_zone_is_added_with_its_name_servers_and_records(admin_client, keyspace):
    servers = [{"name": "NS1.A.Example", "ipv4": "192.0.2.53"}, {"name": "ns2.b.example"}]
    records = [("WWW.a.example", "CNAME", "x.b.example", ""), ("@", "MX", "10 mail.b.example", "300")]
    answer = admin_client.post(ADD, form("A.Example", servers=servers, records=records))
    assert answer.status_code == 302, sentences_of(answer)
    zone = Zone.objects.get()
    assert zone.apex == "a.example"
    assert set(Record.objects.values_list("name", "type", "value")) == {
        ("www", "CNAME", "x.b.example."),
        ("@", "MX", "10 mail.b.example."),
    }
    assert StagedZone.objects.exists()


def test_a_new_zone_is_not_added_with_a_name_server_that_nobody_can_find(admin_client, keyspace):
    answer = admin_client.post(ADD, form("a.example", servers=[{"name": "ns1.a.example"}]))
    assert any("nobody can find it" in sentence for sentence in sentences_of(answer))
    assert not Zone.objects.exists()


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (("www", "A", "x", ""), "is not a value of an A record"),
        (("w w", "A", "192.0.2.1", ""), "is not a valid name"),
        (("www.b.example.", "A", "192.0.2.1", ""), "lies outside the zone"),
        (("@", "CNAME", "x.b.example", ""), "cannot be a CNAME"),
        (("www", "CNAME", "www.a.example", ""), "point at itself"),
        (("www", "A", "192.0.2.1", "3"), "greater than or equal to 5"),
        (("_rev", "TXT", "x", ""), "by which Cirrus sees"),
        (("docs", "TXT", "beside", ""), "is a CNAME to x.b.example."),
    ],
)
def test_a_wrong_record_gets_the_reason(admin_client, zone, row, why):
    docs = RecordFactory(zone=zone, name="docs", type="CNAME", value="x.b.example")
    kept = [(docs, ("docs", "CNAME", "x.b.example.", ""))]
    answer = admin_client.post(change(zone), form(serves_sites="on", keep=kept, records=[row]))
    assert answer.status_code == 200
    assert any(why in sentence for sentence in sentences_of(answer)), sentences_of(answer)
    assert Record.objects.count() == 1


def test_two_new_records_that_cannot_stand_together_are_refused(admin_client, keyspace):
    records = [("www", "CNAME", "x.b.example", ""), ("www", "A", "192.0.2.1", "")]
    answer = admin_client.post(ADD, form("a.example", records=records))
    assert any("stands alone" in sentence for sentence in sentences_of(answer))
    assert not Zone.objects.exists()


def test_a_cname_may_become_an_address_in_one_save(admin_client, zone):
    docs = RecordFactory(zone=zone, name="docs", type="CNAME", value="x.b.example")
    answer = admin_client.post(
        change(zone), form(serves_sites="on", keep=[(docs, None)], records=[("docs", "A", "192.0.2.1", "")])
    )
    assert answer.status_code == 302, sentences_of(answer)
    assert list(Record.objects.values_list("name", "type")) == [("docs", "A")]


def test_two_records_may_exchange_their_values(admin_client, zone):
    one = RecordFactory(zone=zone, name="x", value="192.0.2.1")
    other = RecordFactory(zone=zone, name="y", value="192.0.2.1")
    kept = [(one, ("y", "A", "192.0.2.1", "")), (other, ("x", "A", "192.0.2.1", ""))]
    answer = admin_client.post(change(zone), form(serves_sites="on", keep=kept))
    assert answer.status_code == 302, sentences_of(answer)
    assert set(Record.objects.values_list("pk", "name")) == {(one.pk, "y"), (other.pk, "x")}


def test_the_page_of_a_zone_says_where_it_is(admin_client, world):
    world.settle()
    page = text_of(admin_client.get(change(world.zone)))
    assert f"INSYNC: version {world.serial()} is answered by 1 of 1 secondaries" in page
    assert f"answers {world.serial()}" in page
    assert "INSYNC" in text_of(admin_client.get(LIST))
    RecordFactory(zone=world.zone)
    world.build()
    panel = text_of(admin_client.get(f"{LIST}{world.zone.pk}/status/"))
    assert "PENDING" in panel
    assert "hx-get" in panel


def test_a_refused_build_says_why_and_is_published_from_the_page(admin_client, world):
    records = [RecordFactory(zone=world.zone) for _ in range(20)]
    world.settle()
    for record in records:
        record.delete()
    world.build()
    assert "more than the share of 30%" in text_of(admin_client.get(change(world.zone)))
    answer = admin_client.post(LIST, {"action": "publish_anyway", "_selected_action": [world.zone.pk]})
    assert messages_of(answer) == ["Asked to be published: 1."]
    assert StagedZone.objects.filter(force=True).count() == 1
    StagedZone.objects.all().delete()
    answer = admin_client.post(
        change(world.zone), form(serves_sites="on", dnszones_zone_publish_this_anyway="1")
    )
    assert "Asked to be published, although it was refused." in messages_of(answer)
    world.build()
    assert Zone.objects.get().refusal == ""
    page = text_of(admin_client.get(change(world.zone)))
    assert "more than the share" not in page
    assert "publish_this_anyway" not in page


def test_publishing_anyway_is_for_those_who_may_change(client, world, django_user_model):
    viewer = django_user_model.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_zone"))
    client.force_login(viewer)
    StagedZone.objects.all().delete()
    client.post(LIST, {"action": "publish_anyway", "_selected_action": [world.zone.pk]})
    client.post(change(world.zone), form(serves_sites="on", dnszones_zone_publish_this_anyway="1"))
    assert not StagedZone.objects.exists()
    assert client.get(change(world.zone)).status_code == 200


def test_deleting_a_zone_counts_what_goes_with_it(admin_client, zone):
    RecordFactory(zone=zone)
    DomainFactory()
    zones_rebuild()
    page = text_of(admin_client.get(f"{LIST}{zone.pk}/delete/"))
    assert "1 records" in page
    assert "1 access names of domains" in page
    assert admin_client.post(f"{LIST}{zone.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Zone.objects.exists()


def secondary(**fields):
    return {
        "name": "ns-a",
        "enabled": "on",
        "address": "192.0.2.53",
        "port": 53,
        "tsig_name": "key-a",
        "tsig_algorithm": "hmac-sha256",
        "secret": "",
        **fields,
    }


def test_a_new_secondary_gets_a_key_that_no_page_shows(admin_client, zone):
    answer = admin_client.post("/admin/dnszones/secondary/add/", secondary(), follow=True)
    assert "manage.py nsd_config --secondary ns-a writes its configuration." in messages_of(answer)
    made = Secondary.objects.get()
    secret = open_sealed(made.tsig_secret, record=tsig_record("key-a")).decode()
    page = text_of(admin_client.get(change(made)))
    assert len(secret) == 44
    assert secret not in page
    assert made.tsig_secret not in page


def test_a_given_key_is_kept_until_another_is_given(admin_client, zone):
    secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
    admin_client.post("/admin/dnszones/secondary/add/", secondary(secret=secret))
    made = Secondary.objects.get()
    states = {"states-TOTAL_FORMS": 0, "states-INITIAL_FORMS": 0}
    answer = admin_client.post(change(made), secondary(port=5353, **states))
    assert answer.status_code == 302, sentences_of(answer)
    made.refresh_from_db()
    assert made.port == 5353
    assert open_sealed(made.tsig_secret, record=tsig_record("key-a")).decode() == secret


@pytest.mark.parametrize(
    ("secret", "why"),
    [("not base64!", "This is not base64"), ("c2hvcnQ=", "16 bytes or more; this one has 5")],
)
def test_a_weak_or_broken_key_is_refused(admin_client, zone, secret, why):
    answer = admin_client.post("/admin/dnszones/secondary/add/", secondary(secret=secret))
    assert any(why in sentence for sentence in sentences_of(answer))


@pytest.mark.parametrize("name", ['a"\nkey: b', "my key", "a..b"])
def test_a_key_has_a_name_that_dns_knows(admin_client, zone, name):
    answer = admin_client.post("/admin/dnszones/secondary/add/", secondary(tsig_name=name))
    assert answer.status_code == 200
    assert not Secondary.objects.exists()


def test_a_key_has_one_name_however_it_is_written(admin_client, zone):
    admin_client.post("/admin/dnszones/secondary/add/", secondary(tsig_name="Key-A."))
    assert Secondary.objects.get().tsig_name == "key-a"
    answer = admin_client.post("/admin/dnszones/secondary/add/", secondary(name="ns-b", tsig_name="KEY-a"))
    assert "Secondary with this Key name already exists." in sentences_of(answer)


def test_a_renamed_key_needs_its_secret(admin_client, zone):
    admin_client.post("/admin/dnszones/secondary/add/", secondary())
    states = {"states-TOTAL_FORMS": 0, "states-INITIAL_FORMS": 0}
    answer = admin_client.post(change(Secondary.objects.get()), secondary(tsig_name="key-b", **states))
    assert "A key with another name is another key: enter its secret." in sentences_of(answer)


def test_the_page_of_a_domain_says_what_to_point_a_cname_at(admin_client, zone):
    domain = DomainFactory()
    assert "no zone that gives access names" in text_of(admin_client.get(change(domain)))
    zones_rebuild()
    assert f"{domain.access_name}.a.example" in text_of(admin_client.get(change(domain)))


def test_the_page_of_a_new_domain_says_whether_it_will_have_such_a_name(admin_client, zone):
    add = "/admin/domains/domain/add/"
    assert "Once it is saved, the name to point a CNAME at stands here." in text_of(admin_client.get(add))
    Zone.objects.all().delete()
    assert "no zone that gives access names" in text_of(admin_client.get(add))


def test_overrides_are_edited_on_the_page_of_the_site(admin_client, zone):
    one, other = NodeFactory(name="edge-1"), NodeFactory(name="edge-2")
    DomainFactory(host="www.b.example")
    zones_rebuild()
    site = Site.objects.get()
    answer = admin_client.post(
        change(site), {"replicas": 1, "ttl": "", "pinned": [one.pk], "excluded": [other.pk]}
    )
    assert answer.status_code == 302, sentences_of(answer)
    assert "only edge-1; never edge-2" in text_of(admin_client.get("/admin/dnszones/site/"))
    answer = admin_client.post(
        change(site), {"replicas": 9, "ttl": 2, "pinned": [one.pk], "excluded": [one.pk]}
    )
    assert "edge-1 cannot be both pinned and excluded." in sentences_of(answer)
    assert len(sentences_of(answer)) == 3


@pytest.mark.parametrize("model", ["zone", "site", "secondary", "zoneversion", "challenge"])
def test_every_list_has_an_empty_state_and_is_shown(admin_client, keyspace, model):
    answer = admin_client.get(f"/admin/dnszones/{model}/")
    assert answer.status_code == 200

    [text] = [
        a.empty_text for m, a in admin.site._registry.items() if m._meta.label_lower == f"dnszones.{model}"
    ]
    assert text.split(":")[0].split("“")[0] in text_of(answer)


def test_lists_take_no_more_queries_for_more_rows(admin_client, world, django_assert_max_num_queries):
    def shown(count):
        for _ in range(count):
            ZoneFactory()
            DomainFactory()
        world.settle()
        found = []
        for model in ("zone", "site", "secondary", "zoneversion"):
            with django_assert_max_num_queries(25) as queries:
                assert admin_client.get(f"/admin/dnszones/{model}/").status_code == 200
            found.append(len(queries))
        return found

    shown(1)  # what is looked up once, is
    assert shown(12) == shown(2)
