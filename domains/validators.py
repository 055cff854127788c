"""Forms and limits of what is typed into this app; each refusal is a `ValidationError` with a sentence."""

import ipaddress
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.core.exceptions import ValidationError

from domains import limits
from domains.hostnames import is_address, normalize_hostname

#: The network in which IPv4 addresses are hidden for machines that have only IPv6 (RFC 6052).
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def normalize_origin_host(text: str) -> str:
    """A host name in A-labels or an address without brackets: `[2001:DB8::1]` → `2001:db8::1`."""
    bare = text.strip().strip("[]")
    if "%" in bare:
        raise ValidationError(f"“{text}”: an address with a zone (%) means something on one machine only.")
    return str(ipaddress.ip_address(bare)) if is_address(bare) else normalize_hostname(bare)


def normalize_host_header(text: str) -> str:
    """A Host header (RFC 9110 section 7.2): a host name or address, with a port if it needs one."""
    host, colon, port = text.strip().rpartition(":")
    if not (host and port.isdigit() and not is_address(text)):
        host, colon, port = text.strip(), "", ""
    if port and not 1 <= int(port) <= 65_535:
        raise ValidationError(f"“{text}”: a port is a number from 1 to 65535.")
    name = normalize_origin_host(host)
    return f"[{name}]{colon}{port}" if ":" in name else f"{name}{colon}{port}"


def normalize_authorities(text: str) -> str:
    """The certificates of authorities, one PEM block after the other and nothing between them."""
    if "PRIVATE KEY-----" in text:
        raise ValidationError("There is a private key in it; only certificates belong here.")
    try:
        found = x509.load_pem_x509_certificates(text.encode())
        wrong = [each.subject.rfc4514_string() for each in found if not _may_issue(each)]
    except ValueError as error:
        raise ValidationError(
            "These are no certificates: paste one or more blocks that begin with -----BEGIN CERTIFICATE-----."
        ) from error
    if wrong:
        raise ValidationError(f"“{wrong[0]}” is no authority: it may not issue certificates (RFC 5280).")
    result = "".join(each.public_bytes(Encoding.PEM).decode() for each in dict.fromkeys(found))
    if len(result) > limits.CLIENT_CA:
        raise ValidationError(f"These are more than {limits.CLIENT_CA:,} characters together.")
    return result


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        # Old roots (X.509 version 1) say nothing about it.
        return certificate.subject == certificate.issuer


def validate_origin_host(value: str) -> None:
    """A host name or an IP address that an edge may connect to.

    The same list of forbidden networks is applied again by the edge, to what a name resolves to
    at the moment of connecting, so that a name cannot be pointed at the edge's own machine later.
    """
    host = normalize_origin_host(value)
    if not is_address(host):
        return
    address = ipaddress.ip_address(host)
    if _within(address, settings.CIRRUS.origin_allow):
        return
    if _within(address, settings.CIRRUS.origin_deny):
        raise ValidationError(
            f"{address} is in a network that edges never connect to (CIRRUS_ORIGIN_DENY); "
            "CIRRUS_ORIGIN_ALLOW makes exceptions."
        )


def _within(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: list[str]) -> bool:
    return any(
        one in ipaddress.ip_network(network) for one in _also_known_as(address) for network in networks
    )


def _also_known_as(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[Any]:
    """The address, and the IPv4 address that is inside it: mapped, 6to4 or NAT64 (as the edge judges it)."""
    if address.version == 4:
        return [address]
    nat64 = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
    return [one for one in (address, address.ipv4_mapped, address.sixtofour, nat64) if one]


def validate_server_name(value: str) -> None:
    """A TLS server name (RFC 6066 section 3): a host name, never an address."""
    normalize_hostname(value)


def validate_header_host(value: str) -> None:
    """What `normalize_host_header` accepts."""
    normalize_host_header(value)
