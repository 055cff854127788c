"""Zones, records, secondaries and steering in the API, against a real Redis."""

import base64
import json

import pytest

from accounts.sealing import open_sealed
from dnszones.models import Record, Secondary, Site, StagedZone, Zone
from dnszones.publishing import zones_rebuild
from dnszones.store import read_zone, tsig_record
from tests.dnszones.conftest import played, world  # noqa: F401  # fixtures
from tests.dnszones.factories import RecordFactory, SecondaryFactory, ZoneFactory
from tests.factories import DomainFactory, NodeFactory

pytestmark = pytest.mark.django_db(transaction=True)

AT = "/api/v1/zones"
ZONE = {
    "apex": "example.net",
    "default_ttl": 300,
    "nameservers": [
        {"name": "ns1.example.net", "ipv4": "192.0.2.53"},
        {"name": "ns2.example.org"},
    ],
    "notes": "ours",
}


@pytest.fixture
def zone(keyspace, boss):
    answer = boss.post(AT, ZONE)
    assert answer.status_code == 201, answer.json()
    return answer.json()


def reasons(answer):
    return {error["field"]: error["reason"] for error in answer.json()["errors"]}


def staged():
    return StagedZone.objects.count()


# -- zones -------------------------------------------------------------------------------------------


def test_a_zone_is_made_with_its_name_servers_and_built_from_it(keyspace, boss, zone):
    assert [server["name"] for server in zone["nameservers"]] == ["ns1.example.net", "ns2.example.org"]
    assert boss.get(f"{AT}/Example.NET").json() == zone
    zones_rebuild()
    names = read_zone(keyspace.client, "example.net").names
    assert json.loads(names["ns1"]) == [["A", 3600, ["192.0.2.53"]]]
    assert boss.get(f"{AT}/example.net").json()["serial"] > 0


def test_a_put_of_what_is_there_has_nothing_built(keyspace, boss, zone):
    before = staged()
    assert boss.put(f"{AT}/example.net", zone).json() == zone
    assert boss.put(f"{AT}/example.net", ZONE).json() == zone
    assert staged() == before


def test_name_servers_are_set_as_a_whole_and_in_order(keyspace, boss, zone):
    turned = [{"name": "ns3.example.org"}, ZONE["nameservers"][0]]
    answer = boss.patch(f"{AT}/example.net", {"nameservers": turned})
    assert [server["name"] for server in answer.json()["nameservers"]] == [
        "ns3.example.org",
        "ns1.example.net",
    ]


def test_a_name_server_inside_the_zone_needs_its_address(keyspace, boss, zone):
    wrong = [{"name": "ns2.example.org"}, {"name": "ns1.example.net"}]
    answer = boss.patch(f"{AT}/example.net", {"nameservers": wrong})
    assert answer.status_code == 400
    assert "lies inside the zone" in reasons(answer)["/nameservers/1/ipv4"]
    assert boss.get(f"{AT}/example.net").json() == zone


def test_a_zone_keeps_its_name_and_an_operator_its_name_servers(keyspace, boss, zone, as_role):
    assert boss.patch(f"{AT}/example.net", {"apex": "example.org"}).status_code == 400
    operator = as_role("operator")
    assert operator.patch(f"{AT}/example.net", {"notes": "theirs"}).status_code == 200
    answer = operator.patch(f"{AT}/example.net", {"nameservers": []})
    assert answer.status_code == 403 and "nameserver" in answer.json()["detail"]


def test_the_status_names_who_answers_what(world, boss):  # noqa: F811
    world.settle()
    answer = boss.get(f"{AT}/cdn.example/status").json()
    assert answer["tone"] == "ok" and answer["answered_by"] == answer["given_to"] == 1
    assert answer["secondaries"][0]["serial"] == answer["serial"] == world.serial()
    (version,) = boss.get(f"{AT}/cdn.example/versions").json()["results"]
    assert version["serial"] == answer["serial"] and version["insync_at"]
    assert boss.get(f"{AT}/cdn.example/versions/{version['serial']}").json() == version
    states = boss.get("/api/v1/secondaries/ns-a/states").json()["results"]
    assert states == answer["secondaries"]


def test_a_refused_build_is_published_when_asked_for(keyspace, boss):
    zone = ZoneFactory(apex="many.example")
    for _ in range(30):
        RecordFactory(zone=zone)
    zones_rebuild()
    Record.objects.filter(zone=zone).delete()
    zones_rebuild()
    assert boss.get(f"{AT}/many.example/status").json()["tone"] == "refused"
    assert boss.post(f"{AT}/many.example/publish-anyway").status_code == 202
    zones_rebuild()
    assert boss.get(f"{AT}/many.example").json()["refusal"] == ""


# -- records -----------------------------------------------------------------------------------------


def test_a_record_is_stored_in_its_one_form(keyspace, boss, zone):
    answer = boss.post(
        f"{AT}/example.net/records",
        {"name": "WWW.example.net.", "type": "MX", "value": "10 Mail.Example.org"},
    )
    assert answer.status_code == 201
    assert (answer.json()["name"], answer.json()["value"]) == ("www", "10 mail.example.org.")
    assert answer["Location"] == f"/api/v1/zones/example.net/records/{answer.json()['id']}"
    changed = boss.patch(answer["Location"], {"ttl": 60})
    assert changed.json() == {**answer.json(), "ttl": 60}
    assert boss.delete(answer["Location"]).status_code == 204


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({"name": "www", "type": "A", "value": "192.0.2"}, "/value"),
        ({"name": "www", "type": "SRV", "value": "x"}, "/type"),
        ({"name": "ns1", "type": "A", "value": "192.0.2.1"}, "/name"),
        ({"name": "@", "type": "CNAME", "value": "example.org"}, "/name"),
        ({"name": "www", "type": "A", "ttl": 1, "value": "192.0.2.1"}, "/ttl"),
    ],
)
def test_a_record_that_cannot_stand_there_is_refused_at_its_field(keyspace, boss, zone, record, field):
    answer = boss.post(f"{AT}/example.net/records", record)
    assert answer.status_code == 400 and field in reasons(answer)


def test_records_of_another_zone_are_not_found_here(keyspace, boss, zone):
    other = RecordFactory()
    assert boss.get(f"{AT}/example.net/records/{other.pk}").status_code == 404
    assert boss.get(f"{AT}/nowhere.example/records").status_code == 404


def test_a_bulk_says_what_came_of_each_record(keyspace, boss, zone):
    items = [
        {"name": "a", "type": "A", "value": "192.0.2.1"},
        {"name": "a.example.net", "type": "A", "value": "192.0.2.1", "ttl": 60},
        {"name": "a", "type": "A", "value": "192.0.2.1", "ttl": 60},
        {"name": "b", "type": "A", "value": "nonsense"},
        {"action": "delete", "name": "c", "type": "A", "value": "192.0.2.1"},
        {"action": "delete", "name": "A", "type": "A", "value": "192.0.2.1"},
    ]
    answer = boss.post(f"{AT}/example.net/records/bulk", {"items": items}).json()
    told = [each["result"] for each in answer["results"]]
    assert told == ["created", "changed", "unchanged", "failed", "failed", "deleted"]
    assert [each["status"] for each in answer["results"]] == [201, 200, 200, 400, 404, 204]
    assert answer["failed"] == 2 and not Record.objects.exists()


def test_an_atomic_bulk_is_done_whole_or_not_at_all(keyspace, boss, zone):
    items = [
        {"name": "a", "type": "A", "value": "192.0.2.1"},
        {"name": "b", "type": "A", "value": "nonsense"},
    ]
    answer = boss.post(f"{AT}/example.net/records/bulk", {"items": items, "atomic": True})
    assert answer.status_code == 400 and "/items/1/value" in reasons(answer)
    assert not Record.objects.exists()


def test_a_dry_run_of_a_bulk_changes_nothing(keyspace, boss, zone):
    items = [{"name": "a", "type": "A", "value": "192.0.2.1"}]
    answer = boss.post(f"{AT}/example.net/records/bulk?dry_run=true", {"items": items})
    assert answer.json()["result"]["results"][0]["result"] == "created"
    assert not Record.objects.exists()


def test_a_master_file_comes_in_and_goes_out_again(keyspace, boss, zone):
    text = (
        "$TTL 300\n"
        "@ IN SOA ns1 hostmaster 1 2 3 4 5\n@ NS ns1\n"
        'www A 192.0.2.1\nwww 60 TXT "a \\"quoted\\" text"\n'
        "mail MX 10 mx.example.org.\n_sip._tcp SRV 0 0 1 a.b.\n"
    )
    answer = boss.post(f"{AT}/example.net/records/import", {"text": text})
    assert answer.status_code == 200, answer.json()
    assert (answer.json()["records"], answer.json()["created"]) == (3, 3)
    assert len(answer.json()["left_out"]) == 3
    out = boss.get(f"{AT}/example.net/records/export").json()["text"]
    before = staged()
    again = boss.post(f"{AT}/example.net/records/import", {"text": out, "replace": True}).json()
    assert (again["records"], again["created"], again["changed"], again["deleted"]) == (3, 0, 0, 0)
    assert staged() == before
    less = boss.post(f"{AT}/example.net/records/import", {"text": "www A 192.0.2.1", "replace": True}).json()
    assert less["deleted"] == 2 and Record.objects.get().name == "www"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("www A 192.0.2", "line:1"),
        ("$INCLUDE /etc/passwd", "not allowed"),
        ("$GENERATE 1-1000000000 a$ A 192.0.2.1", "not allowed"),
        ("ns1 A 192.0.2.9", "name server"),
    ],
)
def test_a_master_file_that_cannot_be_taken_over_changes_nothing(keyspace, boss, zone, text, said):
    answer = boss.post(f"{AT}/example.net/records/import", {"text": text})
    assert answer.status_code == 400 and said in str(reasons(answer))
    assert not Record.objects.exists()


# -- secondaries -------------------------------------------------------------------------------------

SECONDARY = {"name": "ns1", "address": "192.0.2.53", "zones": ["example.net"], "tsig_name": "key-1"}


def secret_of(name):
    row = Secondary.objects.get(name=name)
    return open_sealed(row.tsig_secret, record=tsig_record(row.tsig_name)).decode()


def test_a_key_that_is_made_here_is_told_once(keyspace, boss, zone):
    answer = boss.post("/api/v1/secondaries", SECONDARY, headers={"Idempotency-Key": "k-1"})
    assert answer.status_code == 201 and answer.json()["tsig_secret"] == secret_of("ns1")
    assert answer["Cache-Control"] == "no-store"
    again = boss.post("/api/v1/secondaries", SECONDARY, headers={"Idempotency-Key": "k-1"})
    assert again.status_code == 201 and "tsig_secret" not in again.json()
    assert "tsig_secret" not in boss.get("/api/v1/secondaries/ns1").json()


def test_a_key_that_is_given_is_kept_sealed_and_never_told(keyspace, boss, zone):
    secret = base64.b64encode(b"x" * 32).decode()
    answer = boss.put("/api/v1/secondaries/ns1", {**SECONDARY, "tsig_secret": secret})
    assert answer.status_code == 201 and secret not in answer.content.decode()
    assert secret_of("ns1") == secret
    sealed = Secondary.objects.get().tsig_secret
    boss.put("/api/v1/secondaries/ns1", {**SECONDARY, "tsig_secret": secret})
    boss.put("/api/v1/secondaries/ns1", SECONDARY)
    assert Secondary.objects.get().tsig_secret == sealed


def test_a_renamed_key_is_another_key(keyspace, boss, zone):
    boss.post("/api/v1/secondaries", SECONDARY)
    answer = boss.patch("/api/v1/secondaries/ns1", {"tsig_name": "key-2"})
    assert answer.status_code == 400 and "/tsig_secret" in reasons(answer)
    secret = base64.b64encode(b"y" * 32).decode()
    answer = boss.patch("/api/v1/secondaries/ns1", {"tsig_name": "key-2", "tsig_secret": secret})
    assert answer.status_code == 200 and secret_of("ns1") == secret


def test_a_key_is_changed_and_the_new_one_told(keyspace, boss):
    SecondaryFactory(name="ns1")
    before = secret_of("ns1")
    answer = boss.post("/api/v1/secondaries/ns1/rotate-key")
    assert answer.json()["tsig_secret"] == secret_of("ns1") != before


@pytest.mark.parametrize("secret", ["no base64!", "c2hvcnQ="])
def test_what_is_no_key_is_refused(keyspace, boss, zone, secret):
    answer = boss.post("/api/v1/secondaries", {**SECONDARY, "tsig_secret": secret})
    assert answer.status_code == 400 and "/tsig_secret" in reasons(answer)


# -- steering ----------------------------------------------------------------------------------------


@pytest.fixture
def shop(world):  # noqa: F811
    domain = DomainFactory(host="shop.example.com")
    world.settle()
    return Site.objects.get(domain=domain)


def test_a_site_says_how_its_nodes_are_chosen(world, boss, shop):  # noqa: F811
    site = boss.get("/api/v1/sites/shop.example.com").json()
    assert site["access_name"] == shop.access_name and site["pinned"] == []
    answer = boss.patch("/api/v1/sites/shop.example.com", {"pinned": ["edge-2"], "ttl": 30})
    assert answer.status_code == 200 and answer.json() == {**site, "pinned": ["edge-2"], "ttl": 30}
    before = staged()
    assert boss.put("/api/v1/sites/shop.example.com", answer.json()).json() == answer.json()
    assert staged() == before
    world.settle()
    assert world.addresses(shop.access_name) == {"192.0.2.2"}


def test_pins_and_exclusions_must_not_contradict_each_other(world, boss, shop):  # noqa: F811
    boss.patch("/api/v1/sites/shop.example.com", {"pinned": ["edge-2"]})
    answer = boss.patch("/api/v1/sites/shop.example.com", {"excluded": ["edge-2"]})
    assert answer.status_code == 400 and "both" in reasons(answer)["/excluded"]
    answer = boss.patch("/api/v1/sites/shop.example.com", {"excluded": ["nobody"]})
    assert answer.status_code == 400 and "nobody" in str(reasons(answer))


def test_it_is_explained_who_serves_a_site_and_who_would_without_a_node(world, boss, shop):  # noqa: F811
    told = boss.get("/api/v1/sites/shop.example.com/explain").json()
    assert set(told["ipv4"]) == {"edge-1", "edge-2"} and told["names"] == [shop.access_name]
    without = boss.get("/api/v1/sites/shop.example.com/explain?without=edge-1").json()
    assert without["ipv4"] == ["edge-2"] and without["without"] == ["edge-1"]
    assert boss.get("/api/v1/sites/shop.example.com/explain?without=edge-9").status_code == 400


def test_the_summary_says_how_sites_are_spread_and_what_would_move(world, boss, shop):  # noqa: F811
    told = boss.get("/api/v1/sites/summary").json()
    assert told["sites"] == 1 and {node["node"] for node in told["nodes"]} == {"edge-1", "edge-2"}
    assert told["change"] is None
    moved = boss.get("/api/v1/sites/summary?without=edge-1").json()["change"]
    assert moved["sentence"].startswith("If edge-1 went down")


def test_a_token_for_one_domain_sees_its_site_alone(world, shop, as_role):  # noqa: F811
    DomainFactory(host="other.example.com")
    NodeFactory()
    world.settle()
    token = as_role("operator", domains=["shop.example.com"])
    assert [site["host"] for site in token.get("/api/v1/sites").json()["results"]] == ["shop.example.com"]
    assert token.get("/api/v1/sites/other.example.com").status_code == 404
    assert token.get("/api/v1/sites/summary").status_code == 403
    assert token.get(AT).status_code == 403
    assert Zone.objects.exists()


def test_a_dry_run_tells_which_names_of_the_records_would_change(zone, boss):
    at = f"{AT}/example.net/records"
    for name, value in (("www", "192.0.2.1"), ("old", "192.0.2.2")):
        assert boss.post(at, {"name": name, "type": "A", "value": value}).status_code == 201

    def names(answer):
        assert answer.status_code == 200, answer.json()
        told = answer.json()["changes"]["names"]
        assert {item["zone"] for item in told} <= {"example.net"}
        return {item["name"]: item["change"] for item in told}

    new = {"name": "new", "type": "A", "value": "192.0.2.3"}
    second = {**new, "name": "www"}
    assert names(boss.post(f"{at}?dry_run=true", new)) == {"new.example.net": "appears"}
    assert names(boss.post(f"{at}?dry_run=true", second)) == {"www.example.net": "changes"}
    text = "www 300 IN A 192.0.2.1\nnew 300 IN A 192.0.2.3\n"
    told = names(boss.post(f"{at}/import?dry_run=true", {"text": text, "replace": True}))
    assert told == {"new.example.net": "appears", "old.example.net": "disappears"}
    gone = names(boss.delete(f"{AT}/example.net?dry_run=true"))
    assert gone == dict.fromkeys(("example.net", "old.example.net", "www.example.net"), "disappears")
    assert names(boss.patch(f"{AT}/example.net?dry_run=true", {"enabled": False})) == gone
    other = {"apex": "example.org", "nameservers": [{"name": "ns1.example.net"}]}
    made = boss.post(f"{AT}?dry_run=true", other).json()["changes"]["names"]
    assert made == [{"name": "example.org", "zone": "example.org", "change": "appears"}]
    assert Record.objects.count() == 2
