"""Domains in the API, against a real Redis: one document, its parts, and many at once."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from domains.models import CacheCondition, CacheRule, Domain, HostName, Origin
from edge.models import Keyspace, Outbox, Publication
from tests.edge.keyspace_reader import documents
from tests.factories import (
    CacheConditionFactory,
    CacheRuleFactory,
    DomainFactory,
    HostNameFactory,
    OriginFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)

AT = "/api/v1/domains"
SHOP = {
    "host": "shop.example.com",
    "aliases": ["example.com", "*.shop.example.com"],
    "origins": [
        {"scheme": "http", "host": "127.0.0.1", "port": 8080},
        {"scheme": "http", "host": "127.0.0.1", "port": 8081, "backup": True},
    ],
    "rules": [
        {
            "name": "Images",
            "conditions": [{"what": "extension", "values": [".JPG", "png"]}],
            "edge_ttl": 3600,
            "query_mode": "only",
            "query_names": ["width"],
        },
        {"name": "Basket", "conditions": [{"what": "cookie", "name": "basket"}], "bypass": True},
    ],
    "notes": "the shop",
}


def revision():
    return Keyspace.objects.get().revision


@pytest.fixture
def shop(keyspace, boss):
    answer = boss.post(AT, SHOP)
    assert answer.status_code == 201, answer.json()
    return answer.json()


def reasons(answer):
    return {error["field"]: error["reason"] for error in answer.json()["errors"]}


# -- one document ------------------------------------------------------------------------------------


def test_a_domain_is_made_with_all_its_parts_and_published_once(keyspace, boss, shop):
    assert shop["aliases"] == ["*.shop.example.com", "example.com"]
    assert [rule["name"] for rule in shop["rules"]] == ["Images", "Basket"]
    assert shop["rules"][0]["conditions"] == [
        {"what": "extension", "name": "", "values": ["jpg", "png"], "negate": False}
    ]
    document = documents(keyspace, "domain")["shop.example.com"]
    assert len(document["origins"]) == 2 and len(document["rules"]) == 2
    assert Publication.objects.filter(kind="domain").count() == 1


def test_the_answer_of_a_post_says_where_the_domain_is(keyspace, boss):
    answer = boss.post(AT, SHOP)
    assert answer["Location"] == "/api/v1/domains/shop.example.com"
    there = boss.get(answer["Location"])
    assert there.json() == answer.json() and there["ETag"] == answer["ETag"]


def test_a_put_of_what_is_there_makes_no_revision_and_changes_no_row(keyspace, boss, shop):
    before = revision(), list(CacheCondition.objects.values()), list(CacheRule.objects.values())
    answer = boss.put(f"{AT}/shop.example.com", shop)
    assert answer.status_code == 200 and answer.json() == shop
    assert boss.put(f"{AT}/shop.example.com", SHOP).json() == shop  # without ids and defaults
    assert (revision(), list(CacheCondition.objects.values()), list(CacheRule.objects.values())) == before
    assert not Outbox.objects.exists()


def test_a_put_makes_a_domain_that_is_not_there(keyspace, boss):
    document = {name: value for name, value in SHOP.items() if name != "host"}
    answer = boss.put(f"{AT}/Shop.Example.com", document)
    assert answer.status_code == 201
    assert answer.json()["host"] == "shop.example.com"


def test_a_put_that_leaves_out_parts_removes_them(keyspace, boss, shop):
    answer = boss.put(f"{AT}/shop.example.com", {"origins": SHOP["origins"][:1]})
    assert answer.status_code == 200
    assert answer.json()["aliases"] == answer.json()["rules"] == []
    assert Origin.objects.get().pk == shop["origins"][0]["id"]
    assert answer.json()["notes"] == ""


def test_a_patch_changes_what_it_names_alone(keyspace, boss, shop):
    answer = boss.patch(f"{AT}/shop.example.com", {"default_ttl": 60, "aliases": ["example.org"]})
    assert answer.status_code == 200
    assert answer.json()["aliases"] == ["example.org"]
    assert answer.json()["rules"] == shop["rules"] and answer.json()["origins"] == shop["origins"]
    assert documents(keyspace, "domain")["shop.example.com"]["cache"]["default_ttl"] == 60


def test_the_order_of_rules_in_the_document_is_the_order_in_which_they_are_asked(keyspace, boss, shop):
    first, second = shop["rules"]
    new = {"name": "First", "bypass": True, "conditions": [{"what": "prefix", "values": ["/a"]}]}
    answer = boss.patch(f"{AT}/shop.example.com", {"rules": [second, new, first]})
    assert [rule["name"] for rule in answer.json()["rules"]] == ["Basket", "First", "Images"]
    assert [answer.json()["rules"][n]["id"] for n in (0, 2)] == [second["id"], first["id"]]
    published = documents(keyspace, "domain")["shop.example.com"]["rules"]
    assert [rule["name"] for rule in published] == ["Basket", "First", "Images"]


def test_a_document_may_be_taken_from_another_domain_with_its_ids(keyspace, boss, shop):
    copy = {**shop, "host": "copy.example.com", "aliases": []}
    answer = boss.put(f"{AT}/copy.example.com", copy)
    assert answer.status_code == 201
    ids = {origin["id"] for origin in answer.json()["origins"]}
    assert not ids & {origin["id"] for origin in shop["origins"]}
    assert boss.get(f"{AT}/shop.example.com").json() == shop


def test_a_domain_is_renamed_and_its_old_document_withdrawn(keyspace, boss, shop):
    answer = boss.patch(f"{AT}/shop.example.com", {"host": "store.example.com"})
    assert answer.json()["host"] == "store.example.com"
    assert set(documents(keyspace, "domain")) == {"store.example.com"}
    assert boss.get(f"{AT}/shop.example.com").status_code == 404


def test_a_deleted_domain_is_gone_from_the_keyspace(keyspace, boss, shop):
    assert boss.delete(f"{AT}/shop.example.com").status_code == 204
    assert documents(keyspace, "domain") == {}
    assert not Domain.objects.exists() and not HostName.objects.exists()


def test_a_disabled_domain_is_withdrawn_and_an_enabled_one_published(keyspace, boss, shop):
    assert boss.post(f"{AT}/shop.example.com/disable").json()["enabled"] is False
    assert documents(keyspace, "domain") == {}
    assert boss.post(f"{AT}/shop.example.com/enable").json()["enabled"] is True
    assert set(documents(keyspace, "domain")) == {"shop.example.com"}


def test_two_editors_do_not_overwrite_each_other(keyspace, boss, shop):
    etag = boss.get(f"{AT}/shop.example.com")["ETag"]
    mine = boss.patch(f"{AT}/shop.example.com", {"aliases": []}, HTTP_IF_MATCH=etag)
    theirs = boss.patch(f"{AT}/shop.example.com", {"aliases": ["a.example"]}, HTTP_IF_MATCH=etag)
    assert (mine.status_code, theirs.status_code) == (200, 412)
    assert HostName.objects.filter(primary=False).count() == 0


# -- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"host": "a b"}, "/host"),
        ({"host": "*.com"}, "/host"),
        ({"default_ttl": 10, "max_ttl": 5}, "/default_ttl"),
        ({"https_only": True}, "/https_only"),
        ({"client_auth": "required", "tls": True}, "/client_ca"),
        ({"aliases": ["fine.example", "*.*"]}, "/aliases/1"),
        ({"aliases": ["shop.example.com"]}, "/aliases/0"),
        ({"aliases": ["a.example", "A.example"]}, "/aliases/1"),
        ({"aliases": ["taken.example"]}, "/aliases/0"),
        ({"origins": [{"host": "127.0.0.1"}, {"host": "127.0.0.1", "port": 70_000}]}, "/origins/1/port"),
        ({"origins": [{"host": "127.0.0.1", "scheme": "http", "sni": "a.example"}]}, "/origins/0/sni"),
        ({"origins": [{"hots": "127.0.0.1"}]}, "/origins/0/hots"),
        ({"rules": [{"name": "Nothing"}]}, "/rules/0/conditions"),
        ({"rules": [{"name": "Both", "bypass": True, "edge_ttl": 5}]}, "/rules/0/bypass"),
        (
            {"rules": [{"name": "R", "bypass": True, "conditions": [{"what": "country", "values": ["XX"]}]}]},
            "/rules/0/conditions/0/values",
        ),
        (
            {"rules": [{"name": "R", "bypass": True, "conditions": [{"what": "header", "values": ["x"]}]}]},
            "/rules/0/conditions/0/name",
        ),
        ({"max_ttl": 1000, "rules": [{"name": "Long", "edge_ttl": 2000}]}, "/rules/0/edge_ttl"),
        ({"colour": "blue"}, "/colour"),
    ],
)
def test_a_document_that_is_not_valid_is_refused_at_its_field(keyspace, boss, change, field):
    HostNameFactory(name="taken.example")
    answer = boss.post(AT, {**SHOP, **change})
    assert answer.status_code in (400, 409), answer.json()
    assert field in reasons(answer), answer.json()
    assert not Domain.objects.filter(host="shop.example.com").exists()


def test_a_host_name_that_another_domain_has_is_refused(keyspace, boss, shop):
    answer = boss.post(AT, {**SHOP, "aliases": []})
    assert "/host" in reasons(answer)


def test_more_origins_than_a_document_may_have_are_refused(keyspace, boss):
    many = [{"host": "127.0.0.1", "port": port} for port in range(1, 66)]
    answer = boss.post(AT, {**SHOP, "origins": many})
    assert answer.status_code == 400
    assert list(reasons(answer)) == ["/origins/64"]


# -- part by part ------------------------------------------------------------------------------------


def test_origins_are_added_changed_and_removed_one_by_one(keyspace, boss, shop):
    at = f"{AT}/shop.example.com/origins"
    made = boss.post(at, {"host": "127.0.0.1", "scheme": "http", "port": 9000})
    assert made.status_code == 201
    assert made["Location"] == f"{at}/{made.json()['id']}"
    assert boss.patch(made["Location"], {"weight": 5}).json()["weight"] == 5
    before = revision()
    assert boss.put(made["Location"], boss.get(made["Location"]).json()).status_code == 200
    assert revision() == before
    assert len(documents(keyspace, "domain")["shop.example.com"]["origins"]) == 3
    assert boss.delete(made["Location"]).status_code == 204
    assert len(boss.get(at).json()["results"]) == 2


def test_an_origin_of_another_domain_is_not_found_below_this_one(keyspace, boss, shop):
    other = OriginFactory(domain=DomainFactory())
    assert boss.get(f"{AT}/shop.example.com/origins/{other.pk}").status_code == 404
    assert boss.get(f"{AT}/nowhere.example.com/origins").status_code == 404


def test_aliases_are_put_and_deleted_by_name(keyspace, boss, shop):
    at = f"{AT}/shop.example.com/aliases"
    assert boss.put(f"{at}/Bücher.example", {}).status_code == 201
    assert boss.put(f"{at}/bücher.example", {}).status_code == 200
    assert "xn--bcher-kva.example" in documents(keyspace, "domain")["shop.example.com"]["aliases"]
    assert boss.delete(f"{at}/xn--bcher-kva.example").status_code == 204
    HostNameFactory(name="taken.example")
    assert boss.put(f"{at}/taken.example", {}).status_code in (400, 409)


def test_rules_are_moved_copied_and_switched(keyspace, boss, shop):
    at = f"{AT}/shop.example.com/rules"
    images, basket = (rule["id"] for rule in shop["rules"])
    names = lambda: [rule["name"] for rule in boss.get(at).json()["results"]]  # noqa: E731
    assert boss.post(f"{at}/{basket}/move", {"before": images}).status_code == 200
    assert names() == ["Basket", "Images"]
    assert boss.post(f"{at}/{basket}/move", {"after": images}).status_code == 200
    assert names() == ["Images", "Basket"]
    copy = boss.post(f"{at}/{images}/duplicate")
    assert copy.status_code == 201 and copy.json()["enabled"] is False
    assert copy.json()["conditions"] == boss.get(f"{at}/{images}").json()["conditions"]
    assert boss.post(f"{at}/{copy.json()['id']}/enable").json()["enabled"] is True
    assert boss.post(f"{at}/{copy.json()['id']}/disable").json()["enabled"] is False
    assert boss.post(f"{at}/{basket}/move", {"before": basket}).status_code == 400
    assert boss.post(f"{at}/{basket}/move", {}).status_code == 400


def test_rules_keep_their_places_when_there_is_no_room_between_two(keyspace, boss):
    domain = DomainFactory(host="www.example.com")
    rules = [CacheRuleFactory(domain=domain, position=n, bypass=True) for n in (0, 1, 1, 2)]
    at = f"{AT}/www.example.com/rules"
    assert boss.post(f"{at}/{rules[3].pk}/move", {"after": rules[0].pk}).status_code == 200
    order = [rule["id"] for rule in boss.get(at).json()["results"]]
    assert order == [rules[n].pk for n in (0, 3, 1, 2)]


def test_a_new_rule_comes_after_the_others_and_its_conditions_are_part_of_it(keyspace, boss, shop):
    at = f"{AT}/shop.example.com/rules"
    rule = {"name": "New", "edge_ttl": 5, "conditions": [{"what": "prefix", "values": ["/new/"]}]}
    made = boss.post(at, rule)
    assert made.status_code == 201 and made.json()["position"] > 10
    before = revision()
    assert boss.put(made["Location"], rule).json() == made.json()
    assert revision() == before
    changed = boss.patch(made["Location"], {"conditions": []})
    assert changed.json()["conditions"] == []
    refused = boss.patch(made["Location"], {"edge_ttl": None})
    assert list(reasons(refused)) == ["/conditions"]


# -- who may -----------------------------------------------------------------------------------------


def test_a_token_that_is_limited_to_a_domain_sees_and_changes_that_one_only(keyspace, as_role):
    mine, other = DomainFactory(host="mine.example"), DomainFactory(host="other.example")
    client = as_role("operator", domains=["mine.example"])
    assert [row["host"] for row in client.get(AT).json()["results"]] == ["mine.example"]
    assert client.get(f"{AT}/other.example").status_code == 404
    assert client.get(f"{AT}/other.example/origins").status_code == 404
    assert client.patch(f"{AT}/other.example", {"notes": "x"}).status_code == 404
    assert client.post(f"{AT}/other.example/disable").status_code == 404
    assert client.delete(f"{AT}/other.example/origins/{other.origins.get().pk}").status_code == 404
    assert client.post(AT, {"host": "third.example"}).status_code == 403
    assert client.put(f"{AT}/third.example", {}).status_code == 403
    assert client.patch(f"{AT}/mine.example", {"host": "third.example"}).status_code == 403
    assert client.patch(f"{AT}/mine.example", {"notes": "x"}).status_code == 200
    bulk = client.post(
        f"{AT}/bulk",
        {"items": [{"domain": {"host": "third.example"}}, {"action": "delete", "host": "other.example"}]},
    )
    assert [result["status"] for result in bulk.json()["results"]] == [403, 404]
    assert Domain.objects.count() == 2
    mine.refresh_from_db()
    assert mine.notes == "x"


def test_a_viewer_reads_and_changes_nothing(keyspace, as_role):
    DomainFactory(host="www.example.com")
    client = as_role("viewer")
    assert client.get(f"{AT}/www.example.com").status_code == 200
    for method, path in [
        ("put", "/www.example.com"),
        ("patch", "/www.example.com"),
        ("delete", "/www.example.com"),
        ("post", ""),
        ("post", "/bulk"),
        ("post", "/www.example.com/disable"),
        ("post", "/www.example.com/origins"),
        ("post", "/www.example.com/rules"),
        ("put", "/www.example.com/aliases/a.example"),
    ]:
        assert getattr(client, method)(AT + path, {}).status_code == 403, (method, path)


# -- many --------------------------------------------------------------------------------------------


def test_a_bulk_makes_replaces_and_deletes_and_tells_of_each(keyspace, boss, shop):
    DomainFactory(host="old.example.com")
    items = [
        {"action": "put", "domain": SHOP},
        {"action": "put", "domain": {**SHOP, "notes": "new"}},
        {"action": "put", "domain": {"host": "new.example.com", "origins": SHOP["origins"]}},
        {"action": "delete", "host": "old.example.com"},
        {"action": "delete", "host": "nowhere.example.com"},
        {"action": "put", "domain": {"host": "bad.example.com", "default_ttl": -1}},
    ]
    answer = boss.post(f"{AT}/bulk", {"items": items})
    assert answer.status_code == 200, answer.json()
    told = [(result["result"], result["status"]) for result in answer.json()["results"]]
    assert told == [
        ("unchanged", 200),
        ("changed", 200),
        ("created", 201),
        ("deleted", 204),
        ("failed", 404),
        ("failed", 400),
    ]
    assert answer.json()["failed"] == 2
    assert answer.json()["results"][5]["problem"]["errors"][0]["field"] == "/default_ttl"
    assert set(documents(keyspace, "domain")) == {"shop.example.com", "new.example.com"}


def test_an_atomic_bulk_does_all_or_nothing_and_says_which_item_is_wrong(keyspace, boss):
    items = [
        {"domain": {"host": "a.example.com"}},
        {"domain": {"host": "b.example.com", "origins": [{"host": "127.0.0.1", "port": 0}]}},
    ]
    answer = boss.post(f"{AT}/bulk", {"atomic": True, "items": items})
    assert answer.status_code == 400
    assert list(reasons(answer)) == ["/items/1/domain/origins/0/port"]
    assert not Domain.objects.exists()


def test_hundreds_of_domains_are_published_in_a_few_turns(keyspace, boss):
    items = [{"domain": {"host": f"d{n}.example.com", "origins": SHOP["origins"]}} for n in range(200)]
    answer = boss.post(f"{AT}/bulk", {"items": items})
    assert answer.json()["failed"] == 0
    assert len(documents(keyspace, "domain")) == 200
    assert revision() <= 2 * 200  # each domain is written once
    before = revision()
    again = boss.post(f"{AT}/bulk", {"items": items})
    assert {result["result"] for result in again.json()["results"]} == {"unchanged"}
    assert revision() == before


def test_the_list_takes_as_many_queries_for_one_domain_as_for_hundred(keyspace, boss):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert boss.get(f"{AT}?limit=100").status_code == 200
        return len(captured)

    CacheConditionFactory()
    boss.get(AT)  # notes the token's last use
    few = queries()
    for _ in range(20):
        HostNameFactory(domain=CacheConditionFactory().rule.domain)
    assert queries() == few


def test_domains_are_filtered_searched_and_ordered(keyspace, boss, shop):
    DomainFactory(host="empty.example", origin=False, enabled=False)
    found = lambda query: [row["host"] for row in boss.get(f"{AT}?{query}").json()["results"]]  # noqa: E731
    assert found("enabled=false") == ["empty.example"]
    assert found("has_origin=true") == ["shop.example.com"]
    assert found("name=example.com") == ["shop.example.com"]
    assert found("host__in=empty.example,x") == ["empty.example"]
    assert found("origin=127.0.0.1") == ["shop.example.com"]
    assert found("search=shop") == ["shop.example.com"]
    assert found("ordering=-host") == ["shop.example.com", "empty.example"]
    assert boss.get(f"{AT}?colour=blue").status_code == 400


def test_a_list_is_read_page_by_page(keyspace, boss):
    for n in range(5):
        DomainFactory(host=f"d{n}.example", origin=False)
    at, found = f"{AT}?limit=2", []
    while at:
        page = boss.get(at).json()
        found += [row["host"] for row in page["results"]]
        at = page["next"]
    assert found == [f"d{n}.example" for n in range(5)]
