"""What can be stored of a node."""

import pytest
from django.core.exceptions import ValidationError

from nodes.addresses import address_refusal
from nodes.models import Node, Region, RegionBackup
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


# -- where a status port may be --------------------------------------------------------------------


@pytest.mark.parametrize("address", ["10.0.0.7", "192.168.1.1", "192.0.2.1", "2001:db8::1", "fd00::7"])
def test_nodes_may_stand_in_public_and_in_private_networks(address):
    assert address_refusal(address) == ""


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("169.254.169.254", "metadata"),
        ("fe80::1", "link-local"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("2002:a9fe:a9fe::1", "metadata"),
        ("127.0.0.1", "CIRRUS_ORIGIN_ALLOW"),
        ("::ffff:127.0.0.1", "CIRRUS_ORIGIN_ALLOW"),
        ("::1", "CIRRUS_ORIGIN_ALLOW"),
        ("0.0.0.0", "no address of one machine"),
        ("0.1.2.3", "no address of one machine"),
        ("::", "no address of one machine"),
        ("224.0.0.1", "no address of one machine"),
        ("255.255.255.255", "no address of one machine"),
        ("ff02::1", "no address of one machine"),
    ],
)
def test_what_only_the_control_plane_s_machine_may_reach_is_refused(address, why):
    assert why in address_refusal(address)


def test_a_loopback_address_needs_an_allowance():
    assert address_refusal("127.0.0.1", allow=["127.0.0.0/8"]) == ""
    assert address_refusal("::1", allow=["127.0.0.0/8"]) != ""
    assert address_refusal("169.254.169.254", allow=["0.0.0.0/0"]) != ""


def test_a_node_whose_status_port_may_not_be_asked_is_refused_at_the_field():
    node = NodeFactory.build(region=RegionFactory(), ipv4="192.0.2.1", status_address="169.254.169.254")

    assert "metadata address" in sentences(node)["status_address"][0]


# -- backups of regions ----------------------------------------------------------------------------


def test_the_backups_of_all_regions_cost_two_queries(django_assert_num_queries):
    west, east, south = (RegionFactory(name=name) for name in ("west", "east", "south"))
    for position, backup in ((20, south), (10, east)):
        RegionBackup.objects.create(region=west, backup=backup, position=position)
    RegionBackup.objects.create(region=east, backup=west)

    with django_assert_num_queries(2):
        names = Region.objects.all().backup_names()
    assert names == {"west": ("east", "south"), "east": ("west",), "south": ()}
