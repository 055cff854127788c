"""The pages of regions and nodes, and what an edge says of itself there."""

import pytest
from django.urls import reverse

from nodes.models import Node
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


def test_states_are_set_by_action(admin_client, keyspace):
    node = NodeFactory(name="edge-1")
    for action, state in (
        ("drain", "draining"),
        ("put_into_maintenance", "maintenance"),
        ("take_into_service", "up"),
    ):
        answer = admin_client.post(LIST, {"action": action, "_selected_action": [node.pk]}, follow=True)
        node.refresh_from_db()
        assert node.state == state
        assert messages_of(answer) == [f"Now {state}: edge-1."]


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
