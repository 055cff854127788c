"""Which addresses a node's status port may be asked at. Pure.

A status address is an operator's input, and the control plane fetches from it: without a guard it could
be pointed at what only this machine may reach. Nodes stand in private networks, so those are allowed.
"""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Where clouds tell a machine its secrets, beside the link-local 169.254.169.254.
METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")
)
#: IPv4 addresses inside IPv6: RFC 6052 section 2.1.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def address_refusal(text: str, *, allow: Iterable[str] = ()) -> str:
    """Why nothing may be fetched from this address, as half a sentence; "" where it may be.

    `allow` are networks in which loopback addresses are allowed (CIRRUS_ORIGIN_ALLOW).
    """
    address = _innermost(ipaddress.ip_address(text))
    if address.is_loopback:
        if any(address in ipaddress.ip_network(network) for network in allow):
            return ""
        return f"{text} is this machine itself, which CIRRUS_ORIGIN_ALLOW does not allow"
    if address.is_link_local or address in METADATA:
        return f"{text} is a link-local or metadata address"
    if address.is_multicast or address.is_unspecified or _is_reserved(address):
        return f"{text} is no address of one machine"
    return ""


def _innermost(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


def _is_reserved(address: Address) -> bool:
    # Much of IPv6 counts as reserved by its registry, NAT64 among it; of IPv4 only the last block does.
    return address.version == 4 and (address.is_reserved or int(address) >> 24 == 0)
