"""What an authority hands over at the end: a chain of certificates. Pure."""

import base64
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from certificates.checks.material import serial_hex
from certificates.issuance.keys import same_key


@dataclass(frozen=True)
class Chain:
    """A chain that was issued for a key and some names.

    `pem`: leaf first; `fingerprint`: SHA-256 of the leaf's DER, in hex; `serial`: in hex; `ari_id`: its
    identifier at the authority's renewal information (RFC 9773 section 4.1), "" where it has none.
    """

    pem: str
    fingerprint: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    serial: str
    issuer: str
    ari_id: str


def read_chain(text: str, *, key: bytes, names: list[str]) -> Chain:
    """Read the chain, and see that it is what was ordered. Raises `ValueError` with half a sentence."""
    try:
        certificates = x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise ValueError("what was issued is no chain of certificates") from error
    leaf = certificates[0]
    if not same_key(key, leaf):
        raise ValueError("the certificate is for another key than the one that was handed in")
    found = alternative_names(leaf)
    if missing := set(names) - set(found):
        raise ValueError(f"the certificate lacks {', '.join(sorted(missing)[:3])}")
    return Chain(
        pem="".join(each.public_bytes(Encoding.PEM).decode() for each in certificates),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        names=found,
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        serial=serial_hex(leaf),
        issuer=leaf.issuer.rfc4514_string(),
        ari_id=ari_id(leaf),
    )


def alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names that it is for, in lower case and sorted."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(sorted({name.lower() for name in extension.value.get_values_for_type(x509.DNSName)}))


def ari_id(certificate: x509.Certificate) -> str:
    """`aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE`: its issuer's key and its serial (RFC 9773 section 4.1)."""
    try:
        issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound:
        return ""
    identifier = issuer.value.key_identifier
    serial = certificate.serial_number
    # As DER has it: where the first bit is set, a zero byte stands before it.
    octets = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    return f"{_base64(identifier)}.{_base64(octets)}" if identifier else ""


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
