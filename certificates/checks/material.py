"""A certificate with its chain and key, as it is served."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from certificates.checks.keys import PrivateKey, key_bytes, key_type

#: What clients may ask for, and edges take (docs/keyspace.md); other names in a certificate serve nobody.
HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


@dataclass(frozen=True)
class Material:
    """`chain`: the leaf first, each issued by the next, no root. `notes`: whole sentences on what was
    changed about the files that it comes from."""

    chain: tuple[x509.Certificate, ...]
    key: PrivateKey
    notes: tuple[str, ...] = ()

    @property
    def leaf(self) -> x509.Certificate:
        """The server's own certificate."""
        return self.chain[0]

    @property
    def pem(self) -> str:
        """The chain as it is served, and as it is exported."""
        return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in self.chain)

    @property
    def ders(self) -> list[bytes]:
        """The chain in DER, one by one."""
        return [each.public_bytes(serialization.Encoding.DER) for each in self.chain]

    @property
    def key_der(self) -> bytes:
        """The private key, PKCS#8 DER."""
        return key_bytes(self.key)

    @property
    def key_type(self) -> str:
        return key_type(self.key)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the leaf's DER."""
        return fingerprint(self.leaf)

    @property
    def names(self) -> tuple[str, ...]:
        """The DNS names that it is for: A-labels in lower case, sorted."""
        return dns_names(self.leaf)

    @property
    def not_before(self) -> datetime:
        return self.leaf.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        return self.leaf.not_valid_after_utc

    @property
    def serial(self) -> str:
        """The serial number, hex."""
        return serial_hex(self.leaf)

    @property
    def issuer(self) -> str:
        """Who issued it, for people."""
        return called(self.leaf.issuer)

    @property
    def self_signed(self) -> bool:
        return self.leaf.issuer == self.leaf.subject


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 (hex) of a certificate's DER."""
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def serial_hex(certificate: x509.Certificate) -> str:
    """Its serial number in hex, two digits for each byte, as openssl prints it: `0a17`."""
    digits = f"{certificate.serial_number:x}"
    return digits.zfill(len(digits) + len(digits) % 2)


def dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names of its subject alternative names (RFC 5280 section 4.2.1.6), sorted."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    found = {name.lower().rstrip(".") for name in extension.value.get_values_for_type(x509.DNSName)}
    return tuple(sorted(name for name in found if len(name) <= 253 and HOST.fullmatch(name)))


def called(name: x509.Name) -> str:
    """What people call the holder of this name: its common name, else its organization, else all of it."""
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if attributes := name.get_attributes_for_oid(kind):
            return str(attributes[0].value)
    return name.rfc4514_string() or "an authority without a name"
