"""The pages of regions and nodes, and what an edge says of itself there."""

import pytest
from django.urls import reverse
from django.utils import timezone

from nodes.models import Node, NodeEvent, Region
from nodes.services import node_withdrawn
from tests.edge.keyspace_reader import acknowledge
from tests.factories import NodeFactory, RegionFactory
from tests.pages import messages_of, sentences_of

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/nodes/node/"


def page_of(client, node: Node) -> str:
    return client.get(reverse("admin:nodes_node_change", args=[node.pk])).content.decode()


def test_a_node_is_added_and_says_how_to_start_its_edge(admin_client, keyspace):
    data = {"name": "edge-1", "region": RegionFactory().pk, "state": "up", "is_edge": "on", "weight": 100}
    data |= {"status_port": 9145}
    answer = admin_client.post("/admin/nodes/node/add/", data | {"ipv6": "2001:db8::1"}, follow=True)

    assert answer.redirect_chain, sentences_of(answer)
    assert "never heard of: start it with manage.py run_edge --node edge-1" in answer.content.decode()


def test_a_node_without_an_address_is_refused_with_a_sentence(admin_client, keyspace):
    data = {"name": "edge-1", "region": RegionFactory().pk, "state": "up", "is_edge": "on", "weight": 100}
    data |= {"status_port": 9145}
    answer = admin_client.post("/admin/nodes/node/add/", data)

    assert "A node needs an IPv4 address, an IPv6 address, or both." in sentences_of(answer)


def test_the_page_shows_what_the_edge_says(admin_client, keyspace):
    node = NodeFactory(name="edge-1")
    acknowledge(keyspace, "edge-1", version="0.1.0", domains=3, config_errors=2)
    page = page_of(admin_client, node)

    assert "live, has every change" in page
    assert "on 1 of 1 edges" in page
    assert "0.1.0" in page


def test_the_page_shows_refusals_and_orphans(admin_client, keyspace):
    node = NodeFactory(name="edge-1")
    refusals = '{"domain:www.x.example": {"epoch": 1, "rev": 3, "why": "it has no <origins>"}}'
    acknowledge(keyspace, "edge-1", refusals=refusals, orphans=1, orphan_names='["domain:lost.example"]')
    page = page_of(admin_client, node)

    assert "refuses 1 document" in page
    assert "It refuses domain:www.x.example, revision 3: it has no &lt;origins&gt;" in page
    assert "domain:lost.example" in page


def test_with_redis_down_the_pages_say_that_nothing_is_known(admin_client, keyspace):
    node = NodeFactory(name="edge-1")
    keyspace.stop()

    assert "not known: Redis cannot be reached" in page_of(admin_client, node)
    assert "not known: Redis cannot be reached" in admin_client.get(LIST).content.decode()


def act(client, action: str, *nodes: Node):
    data = {"action": action, "_selected_action": [node.pk for node in nodes]}
    return client.post(LIST, data, follow=True)


def form_of(node: Node, **more):
    data = {"region": node.region_id, "is_edge": "on", "weight": node.weight, "status_port": node.status_port}
    return data | {"ipv4": node.ipv4} | more


def test_states_are_set_by_action(admin_client, keyspace):
    node = NodeFactory(name="edge-1")
    for action, state in (
        ("drain", "draining"),
        ("force_into_maintenance", "maintenance"),
        ("take_into_service", "up"),
    ):
        answer = act(admin_client, action, node)
        node.refresh_from_db()
        assert node.state == state
        assert messages_of(answer) == [f"Now {state}: edge-1."]
    assert [(event.old, event.new, event.by) for event in node.events.all()] == [
        ("maintenance", "up", "admin"),
        ("draining", "maintenance", "admin"),
        ("up", "draining", "admin"),
    ]


def test_a_node_that_clients_come_to_is_not_put_into_maintenance_without_force(admin_client, keyspace):
    serving, away = NodeFactory(name="edge-1"), NodeFactory(name="edge-2", state=Node.State.DOWN)
    answer = act(admin_client, "put_into_maintenance", serving, away)

    assert "edge-1 may still get clients (it is up, not draining)" in messages_of(answer)[0]
    assert messages_of(answer)[1] == "Now maintenance: edge-2."
    serving.refresh_from_db()
    assert serving.state == "up"


def test_the_buttons_of_the_page_set_the_state_and_the_timeline_tells(admin_client, keyspace):
    node = NodeFactory(name="edge-1")
    url = reverse("admin:nodes_node_change", args=[node.pk])
    admin_client.post(url, form_of(node, nodes_node_drain_now="1"))

    page = page_of(admin_client, node)
    assert "On its way out: not safe to stop yet" in page
    assert "up → <strong" in page
    assert "by admin" in page


def test_the_page_says_from_when_on_a_draining_node_may_be_stopped(admin_client, keyspace):
    node = NodeFactory(name="edge-1", state=Node.State.DRAINING)
    node_withdrawn(node=node, ttl=60)

    assert f"safe to stop at {timezone.localtime(node.safe_to_stop_at):%H:%M:%S}" in page_of(
        admin_client, node
    )
    assert "draining: safe to stop at" in admin_client.get(LIST).content.decode()


def test_a_form_that_was_opened_earlier_does_not_bring_back_the_state_of_then(admin_client, keyspace):
    node = NodeFactory(name="edge-1")
    Node.objects.filter(pk=node.pk).update(state=Node.State.DOWN)
    url = reverse("admin:nodes_node_change", args=[node.pk])
    answer = admin_client.post(url, form_of(node, state="up", weight=7), follow=True)

    assert sentences_of(answer) == []
    node.refresh_from_db()
    assert (node.state, node.weight) == ("down", 7)


def test_the_timeline_begins_where_a_node_was_added(admin_client, keyspace):
    data = {"name": "edge-1", "region": RegionFactory().pk, "state": "up", "is_edge": "on", "weight": 100}
    admin_client.post("/admin/nodes/node/add/", data | {"status_port": 9145, "ipv6": "2001:db8::1"})

    assert [(e.old, e.new, e.by) for e in NodeEvent.objects.all()] == [("", "up", "admin")]
    assert "added as <strong" in page_of(admin_client, Node.objects.get())
    assert "edge-1" in admin_client.get("/admin/nodes/nodeevent/").content.decode()


def test_a_region_has_backups_in_their_turn(admin_client, keyspace):
    region, east, south = (RegionFactory(name=name) for name in ("eu-west", "eu-east", "eu-south"))
    inline = {"backup_rows-TOTAL_FORMS": 2, "backup_rows-INITIAL_FORMS": 0}
    for number, (backup, position) in enumerate([(south, 20), (east, 10)]):
        inline |= {f"backup_rows-{number}-backup": backup.pk, f"backup_rows-{number}-position": position}
    url = reverse("admin:nodes_region_change", args=[region.pk])
    answer = admin_client.post(url, {"name": "eu-west", **inline}, follow=True)

    assert sentences_of(answer) == []
    assert Region.objects.all().backup_names()["eu-west"] == ("eu-east", "eu-south")
    assert "eu-east, eu-south" in admin_client.get("/admin/nodes/region/").content.decode()


def test_a_region_is_not_its_own_backup(admin_client, keyspace):
    region = RegionFactory()
    inline = {"backup_rows-TOTAL_FORMS": 1, "backup_rows-INITIAL_FORMS": 0}
    inline |= {"backup_rows-0-backup": region.pk, "backup_rows-0-position": 10}
    url = reverse("admin:nodes_region_change", args=[region.pk])
    answer = admin_client.post(url, {"name": region.name, **inline})

    assert "A region cannot take over from itself." in sentences_of(answer)


def test_a_region_with_nodes_is_not_deleted(admin_client, keyspace):
    node = NodeFactory()
    admin_client.post(reverse("admin:nodes_region_delete", args=[node.region_id]), {"post": "yes"})

    assert Node.objects.filter(pk=node.pk).exists()


def test_a_list_of_many_nodes_needs_no_more_queries_than_one_of_few(
    admin_client, keyspace, django_assert_max_num_queries
):
    NodeFactory()
    admin_client.get(LIST)
    with django_assert_max_num_queries(20) as few:
        admin_client.get(LIST)
    for _ in range(10):
        NodeFactory()
    with django_assert_max_num_queries(20) as many:
        admin_client.get(LIST)

    assert len(many) == len(few)
