"""Which addresses an edge may connect to: the same answers as Python's ipaddress gives."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lua.runtime import module, to_lua

networks = module("networks")
addresses = st.ip_addresses()


@given(address=addresses, around=addresses, bits=st.integers(0, 128), near=st.booleans())
def test_membership_is_what_ipaddress_says(address, around, bits, near):
    around = address if near else around
    network = ipaddress.ip_network((around, min(bits, around.max_prefixlen)), strict=False)
    if address.version == 6 and (address.ipv4_mapped or address.sixtofour or address in NAT64):
        return  # judged as the IPv4 address inside, below
    found = networks.contains(networks.parse_all(to_lua([str(network)])), str(address))
    assert found == (address.version == network.version and address in network)


NAT64 = ipaddress.ip_network("64:ff9b::/96")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::",
        "::FFFF:127.9.9.9",
    ],
)
def test_an_address_that_hides_an_ipv4_address_is_judged_by_it(address):
    assert networks.contains(networks.parse_all(to_lua(["127.0.0.0/8"])), address)


@given(address=st.ip_addresses(v=6))
def test_every_spelling_of_an_address_is_the_same_address(address):
    for text in (address.exploded, address.compressed, address.compressed.upper()):
        assert list(networks.parse(text).values()) == [
            int.from_bytes(address.packed[i : i + 2], "big") for i in range(0, 16, 2)
        ]


@pytest.mark.parametrize(
    "text", ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "a.b.c.d", ":::", "1::2::3", "12345::", "::g"]
)
def test_what_is_no_address_is_in_no_network(text):
    assert networks.parse(text) is None
    assert not networks.contains(networks.parse_all(to_lua(["0.0.0.0/0", "::/0"])), text)
