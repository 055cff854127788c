"""The configuration as one document: exported, planned and applied, against a real Redis."""

import io
import json

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import User
from accounts.sealing import open_sealed
from certificates.models import Authority, Enrollment
from configuration.applying import config_apply
from configuration.errors import ConfigInvalid, RemovesTooMuch
from configuration.exporting import config_export
from configuration.files import document_read, document_written
from configuration.paths import written
from configuration.secrets import as_told
from dnszones.models import NameServer, Record, Secondary, Site, StagedZone, Zone
from dnszones.publishing import zones_rebuild
from dnszones.services import site_steer
from dnszones.sites import sites_add
from dnszones.store import read_zone
from domains.models import Domain, Origin
from edge.models import Keyspace, Outbox, Publication
from nodes.models import Node, Region, RegionBackup
from tests.dnszones.factories import RecordFactory, SecondaryFactory, ZoneFactory
from tests.edge.keyspace_reader import acknowledge, documents
from tests.factories import (
    CacheConditionFactory,
    CacheRuleFactory,
    DomainFactory,
    HostNameFactory,
    NodeFactory,
    OriginFactory,
    RegionFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)

BOSS = User(username="boss", is_superuser=True, is_active=True)


def apply(document, **more):
    return config_apply(document=document, reveal=as_told, user=more.pop("user", BOSS), **more)


def wrong(document, **more):
    with pytest.raises(ConfigInvalid) as caught:
        apply(document, **more)
    return {written(path): said for path, said in caught.value.errors.items()}


def changes(plan):
    return [(item.change, item.section, item.key) for item in plan.items]


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


def published(server):
    """What edges and secondaries see, without revisions and keys of rows."""
    for node in Node.objects.all():
        acknowledge(server, node.name)
    zones_rebuild()
    found = without_keys({kind: documents(server, kind) for kind in ("domain", "node")})
    return found, {zone.apex: read_zone(server.client, zone.apex).names for zone in Zone.objects.all()}


def without_keys(value):
    if isinstance(value, list):
        return [without_keys(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: without_keys(each) for name, each in value.items() if name not in ("id", "rev", "epoch")}


def everything():
    models = (Domain, Node, Region, Zone, Record, Site, Enrollment, Outbox, Publication, Keyspace, StagedZone)
    return [list(model.objects.order_by("pk").values()) for model in models]


def empty():
    for model in (Domain, Site, Secondary, Zone, Node, Region, Authority, Publication, Outbox, StagedZone):
        model.objects.all().delete()


# -- export and apply --------------------------------------------------------------------------------


def test_what_was_exported_makes_the_same_documents_and_zones_elsewhere(installation):
    before, exported = published(installation), config_export()
    text = document_written(exported)
    empty()
    installation.client.flushall()
    Keyspace.objects.all().delete()
    plan = apply(document_read(text))
    assert {item.change for item in plan.items} == {"created"}
    assert published(installation) == before
    assert config_export() == exported
    assert plan.notes == ["secondaries ns1: a new key was made."]


def test_applying_an_export_changes_nothing(installation):
    published(installation)
    before = Keyspace.objects.get().revision, StagedZone.objects.count(), list(Domain.objects.values())
    plan = apply(document_read(document_written(config_export())), prune=True)
    assert plan.items == []
    assert (
        Keyspace.objects.get().revision,
        StagedZone.objects.count(),
        list(Domain.objects.values()),
    ) == before
    assert not Outbox.objects.exists()


def test_the_same_in_other_words_changes_nothing_either(installation):
    published(installation)
    document = config_export()
    domain = next(each for each in document["domains"] if each["host"] == "www.example.com")
    domain["host"], domain["default_ttl"] = "WWW.Example.com", 300
    domain["origins"][0]["verify"] = True
    del domain["access_name"]
    document["zones"][0]["records"].reverse()
    before = Keyspace.objects.get().revision
    assert apply(document).items == []
    assert Keyspace.objects.get().revision == before


def test_there_are_no_secrets_in_an_export(installation):
    text = document_written(config_export())
    assert Secondary.objects.get().tsig_secret not in text and "secret" not in text


# -- plans -------------------------------------------------------------------------------------------


def test_a_plan_names_each_field_and_does_nothing(installation):
    document = config_export()
    domain = next(each for each in document["domains"] if each["host"] == "www.example.com")
    domain["origins"][1]["port"] = 8443
    document["domains"].append({"host": "new.example.com"})
    document["nodes"] = document["nodes"][:1]
    del domain["steering"]  # it names the node
    before = config_export()
    plan = apply(document, prune=True, plan_only=True, remove_share=0.5)
    assert changes(plan) == [
        ("removed", "nodes", "edge-2"),
        ("created", "domains", "new.example.com"),
        ("changed", "domains", "www.example.com"),
    ]
    changed = next(item for item in plan.items if item.change == "changed")
    assert changed.fields[0].line == "origins[1].port: 8081 → 8443"
    assert config_export() == before


def test_without_prune_nothing_is_removed_and_a_missing_section_is_not_touched(installation):
    assert apply({"version": 1, "nodes": []}).items == []
    plan = apply({"version": 1, "domains": []}, prune=True, remove_share=1)
    assert changes(plan) == [
        ("removed", "domains", "off.example.com"),
        ("removed", "domains", "www.example.com"),
    ]
    assert Node.objects.count() == 2


def test_more_than_the_share_is_not_removed(installation):
    with pytest.raises(RemovesTooMuch, match="1 of 2 domains") as caught:
        apply({"version": 1, "domains": [{"host": "off.example.com", "enabled": False}]}, prune=True)
    assert "Nothing was applied of the plan: 0 created, 1 changed, 1 removed." in str(caught.value)
    assert Domain.objects.count() == 2


def test_a_plan_of_too_much_is_shown_whole_and_says_of_each_kind_that_it_would_be_refused(installation):
    document = config_export()
    document["domains"] = [{"host": "new.example.com"}]
    document["zones"][0]["records"] = []
    before = everything()
    plan = apply(document, prune=True, plan_only=True)
    assert changes(plan) == [
        ("changed", "zones", "cdn.example"),
        ("created", "domains", "new.example.com"),
        ("removed", "domains", "off.example.com"),
        ("removed", "domains", "www.example.com"),
    ]
    assert [note.partition(" and at most")[0] for note in plan.notes] == [
        "An apply would be refused. It would remove 2 of 2 records of zones,",
        "An apply would be refused. It would remove 2 of 2 domains,",
    ]
    assert everything() == before


def test_records_of_zones_are_guarded_too(installation):
    document = config_export()
    document["zones"][0]["records"] = []
    with pytest.raises(RemovesTooMuch, match="2 of 2 records of zones"):
        apply(document)
    assert Record.objects.count() == 2
    apply(document, remove_share=1)
    assert not Record.objects.exists()


# -- order -------------------------------------------------------------------------------------------


def test_what_needs_something_that_comes_later_is_done_after_it(installation):
    document = config_export()
    domains = {each["host"]: each for each in document["domains"]}
    domains["www.example.com"]["aliases"] = []
    domains["off.example.com"]["aliases"] = ["example.com"]  # it stands before the one that gives it up
    document["zones"][0]["serves_sites"] = True
    plan = apply(document)
    assert [item.key for item in plan.items] == ["off.example.com", "www.example.com"]


def test_a_region_is_removed_with_the_nodes_that_leave_it(installation):
    document = config_export()
    document["regions"] = [{"name": "eu-west", "title": "West"}]
    document["nodes"][1]["region"] = "eu-west"
    apply(document, prune=True, remove_share=0.5)
    assert Node.objects.get(name="edge-2").region.name == "eu-west"
    assert Region.objects.count() == 1


def test_what_is_needed_is_not_removed(installation):
    errors = wrong({"version": 1, "regions": []}, prune=True, remove_share=1)
    assert set(errors) == {"regions"}
    assert "eu-east cannot be removed: node edge-2" in errors["regions"]
    assert "eu-west cannot be removed: node edge-1" in errors["regions"]


def test_the_state_of_a_node_is_only_that_of_a_new_one(installation):
    document = config_export()
    Node.objects.filter(name="edge-1").update(state="down")
    assert apply(document).items == []
    assert Node.objects.get(name="edge-1").state == "down"


# -- errors ------------------------------------------------------------------------------------------


def test_errors_name_their_path(installation):
    errors = wrong(
        {
            "version": 1,
            "regions": [{"name": "eu-west", "backups": ["nowhere"]}],
            "nodes": [{"name": "edge-9", "region": "eu-west", "ipv4": "192.0.2"}],
            "zones": [{"apex": "a.example", "records": [{"name": "x", "type": "A", "value": "y"}]}],
            "domains": [
                {"host": "a.example.com"},
                {"host": "b.example.com", "origins": [{"host": "127.0.0.1", "port": 70000}], "color": 1},
                {
                    "host": "c.example.com",
                    "origins": [{"host": "127.0.0.1"}, {"host": "127.0.0.1", "port": 0}],
                },
                {"host": "d.example.com", "certificate": {"key_type": "wood"}},
                {"host": "e.example.com", "steering": {"pinned": ["nobody"]}},
            ],
            "authorities": [{"name": "new", "directory_url": "https://a.example", "eab_kid": "kid"}],
        }
    )
    assert set(errors) == {
        "regions[0].backups[0]",
        "nodes[0].ipv4",
        "zones[0].records[0].value",
        "domains[1].color",
        "domains[2].origins[1].port",
        "domains[3].certificate.key_type",
        "domains[4].steering.pinned",
        "authorities[0].eab_key",
    }
    assert not Domain.objects.filter(host="a.example.com").exists()


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], ""),
        ({"domains": []}, "version"),
        ({"version": 1, "servers": []}, "servers"),
        ({"version": 1, "domains": {}}, "domains"),
        ({"version": 1, "domains": ["www.example.com"]}, "domains[0].host"),
        ({"version": 1, "domains": [{"host": "a.example"}, {"host": "A.example"}]}, "domains[1].host"),
        ({"version": 1, "domains": [{"host": "a.example", "origins": 5}]}, "domains[0].origins"),
        ({"version": 1, "domains": [{"host": "a.example", "origins": [5]}]}, "domains[0].origins[0]"),
        ({"version": 1, "domains": [{"host": "a.example", "steering": []}]}, "domains[0].steering"),
    ],
)
def test_what_is_no_configuration_is_refused_at_its_place(keyspace, document, path):
    assert path in wrong(document)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("domains", 3, "origins", 0, "port"), "domains[3].origins[0].port"),
        (("domains", 3, "a.b"), 'domains[3]["a.b"]'),
        (("domains", 3, "a[0]", "b"), 'domains[3]["a[0]"].b'),
    ],
)
def test_a_path_is_written_so_that_a_name_is_not_taken_for_two(path, text):
    assert written(path) == text


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"domains": [{"host": "a.example", "a.b": 1}]}, "/document/domains/0/a.b"),
        ({"domains": [{"host": "a.example", "origins[0].port": 1}]}, "/document/domains/0/origins[0].port"),
        (
            {"domains": [{"host": "a.example", "origins": [{"host": "127.0.0.1", "x]y.z": 1}]}]},
            "/document/domains/0/origins/0/x]y.z",
        ),
        ({"domains": [{"host": "a.example", "a/b~c": 1}]}, "/document/domains/0/a~1b~0c"),
        ({"domains": [{"host": "a.example", "007": 1}]}, "/document/domains/0/007"),
        ({"domains": [{"host": "a.example", "__all__": 1}]}, "/document/domains/0/__all__"),
        ({"www.example.com": []}, "/document/www.example.com"),
        ({"domains[0]": []}, "/document/domains[0]"),
        ({"non_field_errors": []}, "/document/non_field_errors"),
        ({"domains": 5}, "/document/domains"),
    ],
)
def test_the_field_of_a_problem_is_a_pointer_whatever_names_there_are(keyspace, boss, document, field):
    answer = boss.post("/api/v1/config/plan", {"document": {"version": 1, **document}})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_domain_keeps_its_access_name(installation):
    document = {"version": 1, "domains": [{"host": "www.example.com", "access_name": "abc"}]}
    assert "domains[0].access_name" in wrong(document)


# -- files -------------------------------------------------------------------------------------------


def test_a_file_is_written_planned_and_applied_by_commands(installation, tmp_path):
    for name in ("all.yaml", "all.json"):
        call_command("config_export", tmp_path / name)
        out = io.StringIO()
        call_command("config_apply", tmp_path / name, stdout=out)
        assert out.getvalue() == "Everything is so already.\n"
    assert json.loads((tmp_path / "all.json").read_text()) == yaml.safe_load(
        (tmp_path / "all.yaml").read_text()
    )
    file = tmp_path / "more.yaml"
    file.write_text(
        "version: 1\ndomains:\n- host: new.example.com\n  origins: [{host: 127.0.0.1, scheme: http}]\n"
    )
    out = io.StringIO()
    call_command("config_apply", file, "--plan", stdout=out)
    assert out.getvalue() == (
        "+ domains new.example.com\nNothing was done: 1 created, 0 changed, 0 removed.\n"
    )
    assert not Domain.objects.filter(host="new.example.com").exists()
    call_command("config_apply", file, stdout=out)
    assert Origin.objects.filter(domain__host="new.example.com").count() == 1


def test_the_command_shows_a_plan_of_too_much_and_applies_none_of_it(installation, tmp_path):
    file = tmp_path / "few.yaml"
    file.write_text("version: 1\ndomains: []\n")
    out = io.StringIO()
    call_command("config_apply", file, "--prune", "--plan", stdout=out)
    assert out.getvalue() == (
        "- domains off.example.com\n"
        "- domains www.example.com\n"
        "An apply would be refused. It would remove 2 of 2 domains, and at most 30% may go at once. "
        "Allow a greater share (--remove-share, remove_share) if this is meant.\n"
        "Nothing was done: 0 created, 0 changed, 2 removed.\n"
    )
    with pytest.raises(
        CommandError, match="Nothing was applied of the plan: 0 created, 0 changed, 2 removed"
    ):
        call_command("config_apply", file, "--prune")
    assert Domain.objects.count() == 2


def test_secrets_are_named_in_a_file_and_stand_elsewhere(installation, tmp_path, monkeypatch):
    (tmp_path / "key").write_text("c2VjcmV0\n")
    monkeypatch.setenv("NS2_KEY", "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4")
    file = tmp_path / "all.yaml"
    file.write_text(
        "version: 1\n"
        "authorities:\n"
        "- {name: new, directory_url: 'https://a.example/d', eab_kid: k, eab_key: {file: key}}\n"
        "secondaries:\n"
        "- {name: ns2, address: 192.0.2.53, tsig_name: a-key-of-its-own, tsig_secret: {env: NS2_KEY}}\n"
    )
    call_command("config_apply", file, stdout=io.StringIO())
    assert open_sealed(Authority.objects.get(name="new").eab_key, record="eab:new") == b"c2VjcmV0"
    sealed = Secondary.objects.get(name="ns2").tsig_secret
    out = io.StringIO()
    call_command("config_apply", file, stdout=out)
    assert out.getvalue() == "Everything is so already.\n"
    assert Secondary.objects.get(name="ns2").tsig_secret == sealed


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("plain", "does not stand here"),
        ("{env: NOT_THERE}", "nothing in the environment as NOT_THERE"),
        ("{file: not-there}", "cannot be read"),
        ("{env: A, file: b}", "does not stand here"),
    ],
)
def test_a_secret_that_cannot_be_had_is_named_by_its_path(keyspace, tmp_path, secret, said):
    file = tmp_path / "all.yaml"
    file.write_text(
        f"version: 1\nsecondaries: [{{name: n, address: 192.0.2.1, tsig_name: k, tsig_secret: {secret}}}]\n"
    )
    with pytest.raises(CommandError, match=said) as caught:
        call_command("config_apply", file)
    assert "secondaries[0].tsig_secret" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nversion: 1\n", "line 2: “version” stands here twice"),
        ("a: [", "line"),
        ("!!python/object/apply:os.system ['true']", "line 1"),
    ],
)
def test_a_file_that_is_no_yaml_is_refused_with_its_line(text, said):
    with pytest.raises(ConfigInvalid, match=said):
        document_read(text)


# -- API ---------------------------------------------------------------------------------------------


def test_the_api_exports_plans_and_applies(installation, boss):
    document = boss.get("/api/v1/config").json()
    assert document == json.loads(json.dumps(config_export()))
    document["regions"][0]["title"] = "East"
    plan = boss.post("/api/v1/config/plan", {"document": document})
    assert plan.status_code == 200 and plan.json()["changed"] == 1
    assert plan.json()["items"][0]["fields"] == [{"path": "title", "before": None, "after": "East"}]
    dry = boss.post("/api/v1/config/apply?dry_run=true", {"document": document})
    assert dry.status_code == 200
    assert (dry.json()["dry_run"], dry.json()["status"], dry.json()["result"]) == (True, 200, plan.json())
    assert Region.objects.get(name="eu-east").title == ""
    assert boss.post("/api/v1/config/apply", {"document": document}).json() == plan.json()
    assert Region.objects.get(name="eu-east").title == "East"


def test_a_dry_run_tells_the_documents_and_the_names_that_an_apply_would_change(installation, boss):
    ZoneFactory(apex="example.com")
    published(installation)
    document = boss.get("/api/v1/config").json()
    (www,) = (each for each in document["domains"] if each["host"] == "www.example.com")
    www["aliases"], www["default_ttl"] = ["shop.example.com"], 7
    new = {"host": "new.example.com", "origins": [{"host": "127.0.0.1", "scheme": "http"}]}
    document["domains"].append(new)
    document["nodes"][0]["weight"] = 7
    before = everything()
    answer = boss.post("/api/v1/config/apply?dry_run=true", {"document": document})
    told = answer.json()["changes"]
    assert {(item["kind"], item["key"], item["change"]) for item in told["documents"]} >= {
        ("domain", "new.example.com", "added"),
        ("domain", "www.example.com", "replaced"),
    }
    (shown,) = (each for each in told["documents"] if each["key"] == "www.example.com" and "document" in each)
    assert shown["document"]["cache"]["default_ttl"] == 7
    assert [(item["name"], item["zone"], item["change"]) for item in told["names"]] == [
        ("example.com", "example.com", "disappears"),
        ("new.example.com", "example.com", "appears"),
        ("shop.example.com", "example.com", "appears"),
    ]
    assert everything() == before
    assert boss.post("/api/v1/config/apply", {"document": document}).json() == answer.json()["result"]


def test_a_dry_run_is_refused_where_the_apply_would_be(installation, boss):
    sent = {"document": {"version": 1, "domains": []}, "prune": True}
    assert boss.post("/api/v1/config/apply?dry_run=true", sent).status_code == 409
    sent = {"document": {"version": 1, "domains": [{}]}}
    assert boss.post("/api/v1/config/apply?dry_run=true", sent).status_code == 400


def test_the_api_says_where_something_is_wrong_and_follows_no_references(keyspace, boss):
    item = {"name": "n", "address": "192.0.2.1", "tsig_name": "k", "tsig_secret": {"file": "/etc/hostname"}}
    answer = boss.post("/api/v1/config/apply", {"document": {"version": 1, "secondaries": [item]}})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "/document/secondaries/0/tsig_secret"


def test_what_cannot_be_removed_is_named_at_its_section(keyspace, boss):
    for name in ("eu-east", "us-east"):
        NodeFactory(region=RegionFactory(name=name))
    document = {"version": 1, "regions": [{"name": "ap", "nope": 1}]}
    answer = boss.post("/api/v1/config/plan", {"document": document, "prune": True, "remove_share": 1})
    said = {error["field"]: error["reason"] for error in answer.json()["errors"]}
    assert set(said) == {"/document/regions", "/document/regions/0/nope"}
    assert all(
        f"{name} cannot be removed: node" in said["/document/regions"] for name in ("eu-east", "us-east")
    )


def test_the_api_refuses_to_remove_too_much(installation, boss):
    sent = {"document": {"version": 1, "domains": []}, "prune": True}
    answer = boss.post("/api/v1/config/apply", sent)
    assert answer.status_code == 409 and "2 of 2 domains" in answer.json()["detail"]
    assert "0 created, 0 changed, 2 removed" in answer.json()["detail"]
    plan = boss.post("/api/v1/config/plan", sent)
    assert (plan.status_code, plan.json()["removed"], len(plan.json()["items"])) == (200, 2, 2)
    assert "would be refused" in plan.json()["notes"][0]
    assert boss.post("/api/v1/config/apply", {**sent, "remove_share": 1}).json()["removed"] == 2


def test_whoever_applies_needs_the_right_of_each_change(installation, as_role):
    operator = as_role("operator")
    document = operator.get("/api/v1/config").json()
    document["domains"][0]["notes"] = "theirs"
    assert operator.post("/api/v1/config/apply", {"document": document}).status_code == 200
    document["regions"][0]["title"] = "theirs"
    answer = operator.post("/api/v1/config/apply", {"document": document})
    assert answer.status_code == 403 and "nodes.change_region" in answer.json()["detail"]
    assert Region.objects.filter(title="theirs").count() == 0


def test_reading_it_costs_the_same_number_of_queries_for_many(installation, django_assert_max_num_queries):
    for _ in range(10):
        OriginFactory(domain=DomainFactory())
    RecordFactory.create_batch(20, zone=Zone.objects.get())
    assert connection.vendor in ("sqlite", "postgresql")
    with django_assert_max_num_queries(30):
        config_export()
