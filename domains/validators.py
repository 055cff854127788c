"""Field validators of this app; each raises `ValidationError` with a sentence."""

import ipaddress

from django.conf import settings
from django.core.exceptions import ValidationError

from domains.hostnames import normalize_hostname


def validate_origin_host(value: str) -> None:
    """A host name or an IP address that an edge may connect to.

    The same list of forbidden networks is applied again by the edge, to what a name resolves to
    at the moment of connecting, so that a name cannot be pointed at the edge's own machine later.
    """
    text = value.strip().strip("[]")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        normalize_hostname(text)
        return
    if _within(address, settings.CIRRUS.origin_allow):
        return
    if _within(address, settings.CIRRUS.origin_deny):
        raise ValidationError(
            f"{address} is in a network that edges never connect to (CIRRUS_ORIGIN_DENY); "
            "CIRRUS_ORIGIN_ALLOW makes exceptions."
        )


def _within(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: list[str]) -> bool:
    return any(address in ipaddress.ip_network(network) for network in networks)


def validate_header_host(value: str) -> None:
    """A Host header (RFC 9110 section 7.2): a host name or address, with a port if it needs one."""
    host, _, port = value.strip().rpartition(":")
    if not host or not port.isdigit() or not 1 <= int(port) <= 65_535:
        host = value.strip()
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        normalize_hostname(host)
