"""What can be stored of a node."""

import pytest
from django.core.exceptions import ValidationError

from nodes.models import Node, Region
from tests.factories import NodeFactory, RegionFactory

pytestmark = pytest.mark.django_db


def sentences(item) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        item.full_clean()
    return caught.value.message_dict


def test_a_node_needs_an_address():
    node = NodeFactory.build(region=RegionFactory(), ipv4=None)

    assert sentences(node) == {"__all__": ["A node needs an IPv4 address, an IPv6 address, or both."]}


def test_a_node_needs_a_role():
    node = NodeFactory.build(region=RegionFactory(), is_edge=False)

    assert sentences(node) == {"__all__": ["A node needs at least one role: edge, shield, or both."]}


def test_a_node_keeps_its_name():
    node = NodeFactory(name="edge-1")
    node.name = "edge-2"

    assert "keeps its name" in sentences(node)["name"][0]


@pytest.mark.parametrize("bad", ["Edge-1", "-edge", "edge_1", "a.b", "a" * 64])
def test_a_name_that_is_no_dns_label_is_refused(bad):
    assert "lower-case letters" in " ".join(sentences(Region(name=bad))["name"]) or len(bad) > 63


def test_edges_that_clients_may_be_talking_to_are_serving():
    up, draining = NodeFactory(), NodeFactory(state=Node.State.DRAINING)
    for state in (Node.State.PENDING, Node.State.DOWN, Node.State.MAINTENANCE):
        NodeFactory(state=state)
    NodeFactory(is_edge=False, is_shield=True)

    assert set(Node.objects.serving()) == {up, draining}


@pytest.mark.parametrize(
    ("addresses", "authority"),
    [
        ({"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}, "192.0.2.1:9145"),
        ({"ipv4": None, "ipv6": "2001:db8::1", "status_port": 9}, "[2001:db8::1]:9"),
        ({"status_address": "10.0.0.7"}, "10.0.0.7:9145"),
    ],
)
def test_an_edge_is_asked_at_its_status_address_else_where_clients_reach_it(addresses, authority):
    assert NodeFactory.build(**addresses).status_authority == authority
