"""What the API changes stands in the portal's History pages, with who did it and by which token."""

from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.models import Token, User
from certificates.models import Enrollment
from cirrus_site.api_urls import RESOURCES
from cirrus_site.history import PAGES, PARTS
from domains.models import CacheRule, Domain
from edge.models import Purge
from tests.api.conftest import client_with, secret_for, user_with, with_settings
from tests.api.test_domains import SHOP
from tests.factories import DomainFactory, NodeFactory, RegionFactory

pytestmark = pytest.mark.django_db

BY = "; by the API, token “test”."
WWW = "/api/v1/domains/www.example.com"


@pytest.fixture
def www(keyspace):
    return DomainFactory(host="www.example.com")


@contextmanager
def entries_of(*models):
    """The entries that are written inside, of these models (all): (name, flag, message), in their order."""
    last = LogEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    found = []
    yield found
    rows = LogEntry.objects.filter(pk__gt=last).order_by("pk").select_related("content_type")
    found += [
        (row.object_repr, row.action_flag, row.change_message)
        for row in rows
        if not models or row.content_type.model_class() in models
    ]


def test_the_history_page_of_a_domain_shows_an_edit_by_the_api(www, admin_client):
    olga = user_with("operator")
    program = client_with(secret_for(olga))
    Token.objects.update(name="deploy of the shop")
    assert program.patch(WWW, {"notes": "new", "default_ttl": 77}).status_code == 200
    page = admin_client.get(reverse("admin:domains_domain_history", args=[www.pk])).content.decode()
    assert "Changed default TTL, notes; by the API, token “deploy of the shop”." in page
    assert olga.get_username() in page


def test_who_uses_a_session_is_named_without_a_token(www):
    client = APIClient()
    client.force_login(user_with("superuser"))
    with entries_of() as written:
        assert client.patch(WWW, {"notes": "new"}).status_code == 200
    assert written == [("www.example.com", CHANGE, "Changed notes; by the API.")]


def test_a_domain_that_is_made_and_deleted_has_an_entry_each_and_its_parts_none(keyspace, boss):
    with entries_of() as written:
        assert boss.post("/api/v1/domains", SHOP).status_code == 201
        assert boss.delete("/api/v1/domains/shop.example.com").status_code == 204
    assert written == [
        ("shop.example.com", ADDITION, "Added" + BY),
        ("shop.example.com", DELETION, "Deleted" + BY),
    ]


def test_a_document_that_changes_nothing_writes_nothing(keyspace, boss):
    document = boss.post("/api/v1/domains", SHOP).json()
    with entries_of() as written:
        assert boss.put("/api/v1/domains/shop.example.com", document).status_code == 200
        assert boss.patch("/api/v1/domains/shop.example.com", {"notes": SHOP["notes"]}).status_code == 200
    assert written == []


def test_a_dry_run_and_a_refusal_write_nothing(www, boss):
    with entries_of() as written:
        assert boss.patch(WWW + "?dry_run=true", {"notes": "new"}).status_code == 200
        assert boss.post(WWW + "/disable?dry_run=true").status_code == 200
        assert boss.delete(WWW + "?dry_run=true").status_code == 200
        assert boss.patch(WWW, {"notes": "new", "origins": [{"host": "not a host"}]}).status_code == 400
    assert written == []


def test_a_replayed_request_is_told_once(www, boss):
    key = {"HTTP_IDEMPOTENCY_KEY": str(uuid4())}
    with entries_of(Domain) as written:
        for _ in range(2):
            assert boss.post(WWW + "/origins", {"host": "127.0.0.9"}, **key).status_code == 201
    assert written == [("www.example.com", CHANGE, "Added origin “https://127.0.0.9:443”" + BY)]


def test_parts_are_told_on_their_domain(keyspace, boss):
    boss.post("/api/v1/domains", SHOP)
    at = "/api/v1/domains/shop.example.com"
    images, basket = CacheRule.objects.order_by("position")
    with entries_of() as written:
        assert boss.put(at + "/aliases/www.shop.example.com", {}).status_code == 201
        assert boss.delete(at + "/aliases/example.com").status_code == 204
        answer = boss.patch(
            f"{at}/rules/{images.pk}", {"conditions": [{"what": "extension", "values": ["gif"]}]}
        )
        assert answer.status_code == 200
        assert boss.delete(f"{at}/rules/{basket.pk}").status_code == 204
    assert written == [
        ("shop.example.com", CHANGE, "Added host name “www.shop.example.com”" + BY),
        ("shop.example.com", CHANGE, "Deleted host name “example.com”" + BY),
        ("Images", CHANGE, "Changed condition “extension is gif” (values)" + BY),
        ("shop.example.com", CHANGE, "Changed cache rule “Images”" + BY),
        ("Basket", DELETION, "Deleted" + BY),
        ("shop.example.com", CHANGE, "Deleted cache rule “Basket”" + BY),
    ]


def test_a_document_tells_its_fields_and_parts_in_one_entry(keyspace, boss):
    boss.post("/api/v1/domains", SHOP)
    document = {"notes": "", "origins": [{**SHOP["origins"][0], "weight": 5}], "aliases": SHOP["aliases"][:1]}
    with entries_of() as written:
        assert boss.patch("/api/v1/domains/shop.example.com", document).status_code == 200
    said = (
        "Changed notes; deleted host name “*.shop.example.com”; deleted origin “http://127.0.0.1:8081”; "
        "changed origin “http://127.0.0.1:8080” (weight)"
    )
    assert written == [("shop.example.com", CHANGE, said + BY)]


def test_an_entry_names_some_parts_and_counts_the_others(www, boss):
    aliases = [f"a{number:02}.example.com" for number in range(30)]
    with entries_of() as written:
        assert boss.patch(WWW, {"aliases": aliases}).status_code == 200
    [(_, _, said)] = written
    assert said.startswith("Added host name “a00.example.com”; added host name “a01.example.com”; ")
    assert said.endswith("added host name “a19.example.com”; and 10 more" + BY)


def test_an_action_is_told_by_its_name(www, boss):
    RegionFactory(name="eu-west")
    NodeFactory(name="edge-1", state="up")
    with entries_of() as written:
        assert boss.post("/api/v1/nodes/edge-1/drain", {"reason": "a new kernel"}).status_code == 200
        assert boss.post(WWW + "/publish-again").status_code == 202
    assert written == [
        ("edge-1", CHANGE, "Drain; changed state" + BY),
        ("www.example.com", CHANGE, "Publish again" + BY),
    ]


def test_many_domains_in_one_call_have_an_entry_each_and_those_that_failed_none(www, boss):
    items = [
        {"domain": {"host": "new.example.com", "origins": [{"host": "127.0.0.1"}]}},
        {"domain": {"host": "bad.example.com", "origins": [{"host": "127.0.0.1", "port": 70000}]}},
        {"domain": {"host": "other.example.com", "aliases": ["new.example.com"]}},
        {"action": "delete", "host": "www.example.com"},
    ]
    with entries_of() as written:
        answer = boss.post("/api/v1/domains/bulk", {"items": items}).json()
    assert [result["result"] for result in answer["results"]] == ["created", "failed", "failed", "deleted"]
    assert written == [
        ("new.example.com", ADDITION, "Added" + BY),
        ("www.example.com", DELETION, "Deleted" + BY),
    ]
    with entries_of() as written:
        assert boss.post("/api/v1/domains/bulk", {"items": items[:2], "atomic": True}).status_code == 400
    assert written == []


def test_records_are_told_on_their_zone(keyspace, boss):
    assert boss.put("/api/v1/zones/example.net", {}).status_code == 201
    items = [{"name": name, "type": "A", "value": "192.0.2.80"} for name in ("www", "shop")]
    with entries_of() as written:
        answer = boss.post("/api/v1/zones/example.net/records/bulk", {"items": items})
    assert answer.json()["failed"] == 0
    said = "Added record “www A 192.0.2.80”; added record “shop A 192.0.2.80”"
    assert written == [("example.net", CHANGE, said + BY)]


def test_purges_have_an_entry_each_and_many_are_written_in_one_statement(www, boss):
    purges = [{"urls": [f"http://www.example.com/{number}"]} for number in range(100)]
    with entries_of(Purge) as written, CaptureQueriesContext(connection) as asked:
        assert boss.post("/api/v1/purges/bulk", {"items": purges}).json()["failed"] == 0
    assert len(written) == 100 and {flag for _, flag, _ in written} == {ADDITION}
    inserts = [query["sql"] for query in asked if "INSERT" in query["sql"] and "admin_log" in query["sql"]]
    assert len(inserts) == 1


def test_a_configuration_that_is_applied_has_an_entry_for_each_item(www, boss):
    document = {
        "version": 1,
        "regions": [{"name": "eu-west", "title": "Western Europe"}, {"name": "eu-north"}],
        "domains": [{"host": "www.example.com", "notes": "by file"}],
    }
    with entries_of() as written:
        assert boss.post("/api/v1/config/plan", {"document": document}).status_code == 200
    assert written == []
    with entries_of() as written:
        assert boss.post("/api/v1/config/apply", {"document": document}).status_code == 200
    assert sorted((name, flag) for name, flag, _ in written) == [
        ("eu-north", ADDITION),
        ("eu-west", ADDITION),
        ("www.example.com", CHANGE),
    ]
    assert all(said.endswith(BY) for _, _, said in written)


def test_no_secret_is_told(www, boss):
    with entries_of() as written:
        made = boss.post("/api/v1/tokens", {"name": "mine", "scopes": ["domains:read"]}).json()
        boss.post("/api/v1/users", {"username": "ivan", "password": "a long Secret 77"})
        assert boss.patch("/api/v1/users/ivan", {"password": "another Secret 78"}).status_code == 200
    assert [flag for _, flag, _ in written] == [ADDITION, ADDITION, CHANGE]
    assert written[-1] == ("ivan", CHANGE, "Changed password" + BY)
    assert made["secret"] not in str(written) and "Secret" not in str(written)


def test_who_deletes_their_own_user_is_gone_with_their_history(boss):
    assert boss.delete("/api/v1/users/superuser").status_code == 204
    assert LogEntry.objects.filter(user__username="superuser").count() == 0


def test_what_the_master_token_does_stands_on_the_token_itself(db):
    master = "m" * 40
    user_with("operator")
    with with_settings(master_token=master), entries_of() as written:
        document = {"owner": "operator", "name": "mine", "scopes": ["domains:read"]}
        assert client_with(master).post("/api/v1/tokens", document).status_code == 201
    assert written == [] and Token.objects.get().created_by == "master token"


def test_what_happens_outside_of_a_request_is_not_told(www):
    with entries_of() as written:
        www.notes = "by a job"
        www.save()
        User.objects.create(username="seeded")
    assert written == []


def test_every_model_that_the_api_writes_has_its_history():
    writing = [view for view in RESOURCES.values() if {"create", "update", "destroy"} & {*dir(view)}]
    written = {view.queryset.model for view in writing}
    assert {Domain, Purge, User} < written <= {*PAGES, *PARTS}


def test_a_configuration_that_a_command_applies_for_somebody_has_their_rights_and_their_name(www, tmp_path):
    file = tmp_path / "cirrus.json"
    www.origins.all().delete()
    file.write_text('{"version": 1, "domains": [{"host": "www.example.com", "notes": "by file"}]}')
    user_with("viewer")
    user_with("operator")
    for name, why in (("nobody-here", "There is no user “nobody-here”."), ("viewer", "has not the right")):
        with pytest.raises(CommandError, match=why):
            call_command("config_apply", str(file), user=name)
    with entries_of() as written:
        call_command("config_apply", str(file), user="operator")
    assert written == [("www.example.com", CHANGE, "Changed notes; by manage.py config_apply.")]
    assert LogEntry.objects.get().user.get_username() == "operator"
    file.write_text('{"version": 1, "domains": [{"host": "www.example.com"}]}')
    with entries_of() as written:
        call_command("config_apply", str(file))
    assert written == [] and Domain.objects.get().notes == ""


def test_what_is_done_about_a_certificate_is_told_on_the_domain_as_well(keyspace, boss):
    domain = DomainFactory(host="www.example.com", tls=True)
    Enrollment.objects.get_or_create(domain=domain)
    with entries_of() as written:
        assert boss.post("/api/v1/enrollments/www.example.com/issue").status_code == 202
        assert boss.patch(WWW, {"certificate": {"challenge": "dns-01"}}).status_code == 200
    assert [said for name, _, said in written if name == "www.example.com"] == [
        "Issue" + BY,
        "Enrollment “www.example.com”: issue" + BY,
        "Changed challenge" + BY,
        "Changed enrollment “www.example.com” (challenge)" + BY,
    ]
