"""Two editors of one thing: ETag, If-Match and If-None-Match (RFC 9110 section 13)."""

import threading

import pytest
from django.db import connection
from django.utils import timezone

from certificates.models import Order
from dnszones.models import Zone
from edge.models import Keyspace, Outbox, Publication
from nodes.models import Node, Region
from tests.api.conftest import client_with, secret_for, user_with
from tests.factories import DomainFactory, NodeFactory, RegionFactory

REGION = "/api/v1/regions/eu-west"
NODE = "/api/v1/nodes/edge-1"


@pytest.mark.django_db
class TestOneAfterTheOther:
    @pytest.fixture(autouse=True)
    def things(self, keyspace):
        RegionFactory()
        NodeFactory(name="edge-1")

    def test_who_has_read_an_older_one_is_refused(self, boss):
        old = boss.get(REGION)["ETag"]
        assert boss.patch(REGION, {"title": "mine"}, HTTP_IF_MATCH=old).status_code == 200
        answer = boss.patch(REGION, {"title": "yours"}, HTTP_IF_MATCH=old)
        assert (answer.status_code, answer.json()["type"]) == (412, "/api/v1/problems/changed-meanwhile")
        assert Region.objects.get().title == "mine"

    @pytest.mark.parametrize("method", ["put", "patch", "delete"])
    def test_it_holds_for_every_change(self, method, boss):
        assert getattr(boss, method)(NODE, {}, HTTP_IF_MATCH='"other"').status_code == 412

    @pytest.mark.parametrize(
        "action",
        [
            *("domains/www.example.com/disable", "domains/www.example.com/publish-again"),
            *("nodes/edge-1/drain", "nodes/edge-1/publish-again", "zones/example.net/publish-anyway"),
            *(f"enrollments/www.example.com/{verb}" for verb in ("issue", "revert", "revoke")),
        ],
    )
    def test_it_holds_for_actions_and_nothing_is_done(self, action, boss):
        DomainFactory(host="www.example.com", tls=True)
        Zone.objects.create(apex="example.net")
        revisions = list(Outbox.objects.values_list("pk"))
        answer = boss.post(f"/api/v1/{action}", {}, HTTP_IF_MATCH='"other"')
        assert answer.status_code == 412, answer.json()
        assert list(Outbox.objects.values_list("pk")) == revisions
        assert not Order.objects.exists()

    def test_the_tag_that_was_read_lets_a_certificate_be_ordered(self, boss):
        DomainFactory(host="www.example.com", tls=True)
        at = "/api/v1/enrollments/www.example.com"
        assert boss.post(f"{at}/issue", HTTP_IF_MATCH=boss.get(at)["ETag"]).status_code == 202

    def test_the_answer_of_a_change_has_the_next_tag(self, boss):
        tag = boss.patch(REGION, {"title": "a"})["ETag"]
        assert boss.get(REGION)["ETag"] == tag
        assert boss.patch(REGION, {"title": "b"}, HTTP_IF_MATCH=f'"x", {tag}').status_code == 200

    def test_a_weak_tag_never_matches_for_a_change(self, boss):
        tag = boss.get(REGION)["ETag"]
        assert boss.patch(REGION, {"title": "b"}, HTTP_IF_MATCH=f"W/{tag}").status_code == 412

    @pytest.mark.parametrize("said", ["", "x", "'x'", '"x" "y"', '"x",', "*, *", "W/x"])
    def test_a_condition_that_no_tag_can_meet_is_a_mistake(self, said, boss):
        for name, answer in (
            ("If-Match", boss.patch(REGION, {"title": "b"}, HTTP_IF_MATCH=said)),
            ("If-None-Match", boss.get(REGION, HTTP_IF_NONE_MATCH=said)),
        ):
            assert answer.status_code == 400
            assert answer.json()["detail"] == f"{name} is `*`, or ETags in quotes with commas between them."

    def test_what_has_not_changed_is_not_sent_again(self, boss):
        tag = boss.get(REGION)["ETag"]
        for known in (tag, f"W/{tag}", "*", f'"x", {tag}'):
            answer = boss.get(REGION, HTTP_IF_NONE_MATCH=known)
            assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", tag)
        assert boss.get(REGION, HTTP_IF_NONE_MATCH='"x"').status_code == 200

    def test_a_change_that_is_known_is_not_sent_again_either(self, boss):
        now = timezone.now()
        Keyspace.objects.update_or_create(pk=1, defaults={"epoch": 1, "revision": 7})
        named = {"kind": "node", "key": "edge-1", "object_id": 1}
        Publication.objects.create(**named, epoch=1, rev=7, saved_at=now, published_at=now)
        first = boss.get("/api/v1/changes/7")
        known = boss.get("/api/v1/changes/7", HTTP_IF_NONE_MATCH=first["ETag"])
        assert (first.status_code, known.status_code) == (200, 304)

    def test_a_put_may_be_held_to_making_something_new(self, boss):
        assert boss.put(REGION, {}, HTTP_IF_NONE_MATCH="*").status_code == 412
        assert boss.put("/api/v1/regions/us", {}, HTTP_IF_NONE_MATCH="*").status_code == 201

    def test_a_put_may_be_held_to_changing_something_old(self, boss):
        assert boss.put("/api/v1/regions/us", {}, HTTP_IF_MATCH="*").status_code == 412
        assert boss.put(REGION, {}, HTTP_IF_MATCH="*").status_code == 200

    def test_what_probes_change_is_no_edit_and_is_told_all_the_same(self, boss):
        tag = boss.get(NODE)["ETag"]
        assert boss.get(NODE, HTTP_IF_NONE_MATCH=tag).status_code == 304
        boss.post(f"{NODE}/drain")
        answer = boss.get(NODE, HTTP_IF_NONE_MATCH=tag)
        assert (answer.status_code, answer.json()["state"]) == (200, "draining")
        assert boss.put(NODE, {}, HTTP_IF_NONE_MATCH=tag).status_code == 412
        assert boss.patch(NODE, {"weight": 7}, HTTP_IF_MATCH=tag).status_code == 200
        assert boss.patch(NODE, {"weight": 8}, HTTP_IF_MATCH=answer["ETag"]).status_code == 412

    def test_putting_back_what_was_got_writes_nothing(self, boss, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            boss.patch(NODE, {"weight": 150})
        revision, stamp = Keyspace.objects.get().revision, Node.objects.get().updated_at
        for address in (NODE, REGION):
            with django_capture_on_commit_callbacks(execute=True):
                assert boss.put(address, boss.get(address).json()).status_code == 200
        assert Keyspace.objects.get().revision == revision
        assert Outbox.objects.count() == 0
        assert Node.objects.get().updated_at == stamp

    def test_a_put_sets_what_it_leaves_out_to_its_default(self, boss):
        boss.patch(NODE, {"weight": 150, "notes": "x"})
        changed = boss.put(NODE, {"region": "eu-west", "ipv4": "127.0.0.1"}).json()
        assert (changed["weight"], changed["notes"], changed["state"]) == (100, "", "up")

    def test_a_dry_run_tells_and_does_nothing(self, boss):
        answer = boss.patch(f"{REGION}?dry_run=true", {"title": "a"}).json()
        assert (answer["dry_run"], answer["status"], answer["result"]["title"]) == (True, 200, "a")
        assert boss.get(REGION).json()["title"] == ""
        assert boss.delete(f"{NODE}?dry_run=true").json()["status"] == 204
        assert boss.put("/api/v1/regions/us?dry_run=true", {}).json()["status"] == 201
        assert boss.get("/api/v1/regions/us").status_code == 404
        assert Node.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_editors_at_once_one_wins_and_the_other_is_told(keyspace):
    RegionFactory()
    secret = secret_for(user_with("superuser"))
    tag = client_with(secret).get(REGION)["ETag"]
    codes: dict[str, int] = {}
    at_once = threading.Barrier(2)

    def edit(title: str) -> None:
        try:
            at_once.wait()
            answer = client_with(secret).patch(REGION, {"title": title}, HTTP_IF_MATCH=tag)
            codes[title] = answer.status_code
        finally:
            connection.close()

    threads = [threading.Thread(target=edit, args=[title]) for title in ("mine", "yours")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes.values()) == [200, 412]
    assert codes[Region.objects.get().title] == 200
