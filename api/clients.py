"""Where a request comes from."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The address of the client: the last one of `X-Forwarded-For` that is no proxy of ours.

    That header counts only from CIRRUS_TRUSTED_PROXIES: anybody can send it.
    """
    address = request.META.get("REMOTE_ADDR", "")
    trusted = [ipaddress.ip_network(network) for network in settings.CIRRUS.trusted_proxies]
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    while hops and _within(address, trusted):
        address = hops.pop()
    return address


def is_within(address: str, networks: list[str]) -> bool:
    """Whether an address is in one of these networks; what is no address is in none."""
    return _within(address, [ipaddress.ip_network(network) for network in networks])


def _within(address: str, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(mapped in network for network in networks)
