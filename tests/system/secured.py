"""Sites with TLS: certificates of the test's making, documents about them, requests over a handshake."""

import base64
import http.client
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import ExtendedKeyUsageOID

from domains.models import Domain
from tests.servers import EdgeServer
from tests.system.edge_documents import Documents

#: The one key of these tests' edges, and what they are given of it.
KEY = bytes(range(32))
EDGE_KEYS = {"CIRRUS_EDGE_KEYS": f"test:{base64.b64encode(KEY).decode()}"}

PLAIN = {"policy": "intermediate", "https_only": False}


def sealed(secret: bytes, record: str) -> str:
    """As `accounts.sealing` seals for edges."""
    nonce = os.urandom(12)
    encrypted = AESGCM(KEY).encrypt(nonce, secret, record.encode())
    return f"test:{base64.urlsafe_b64encode(nonce + encrypted).decode()}"


class Authority:
    """Signs certificates, for sites and for clients."""

    def __init__(self, name: str = "Test Authority") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        ca = x509.BasicConstraints(ca=True, path_length=0)
        self.certificate = self._sign(self.name, self.key, [(ca, True)])

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extensions: list[Any]
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(subject_name=subject, issuer_name=self.name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        """Its own certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def leaf(self, *names: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """A certificate for these DNS names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        return self._sign(subject, key, [(alternatives, False)]), key

    def client(self, name: str, folder: Path) -> tuple[Path, x509.Certificate]:
        """A client's certificate, and the file with it and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        certificate = self._sign(subject, key, [(usage, False)])
        path = folder / f"{name}.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM) + pkcs8(key, serialization.Encoding.PEM)
        )
        return path, certificate


def pkcs8(
    key: ec.EllipticCurvePrivateKey, encoding: serialization.Encoding = serialization.Encoding.DER
) -> bytes:
    """A private key in the clear."""
    return key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def certificate_body(authority: Authority, *names: str, placeholder: bool = False) -> dict[str, Any]:
    """A certificate as it stands in a document."""
    leaf, key = authority.leaf(*names)
    fingerprint = leaf.fingerprint(hashes.SHA256()).hex()
    return {
        "fingerprint": fingerprint,
        "chain": leaf.public_bytes(serialization.Encoding.PEM).decode() + authority.pem,
        "key": sealed(pkcs8(key), f"certificate:{fingerprint}"),
        "names": list(names),
        "not_before": int(leaf.not_valid_before_utc.timestamp()),
        "not_after": int(leaf.not_valid_after_utc.timestamp()),
        "placeholder": placeholder,
    }


def secure(
    documents: Documents, domain: Domain, authority: Authority, *names: str, tls: dict[str, Any], **how: Any
) -> None:
    """Give a domain TLS and a certificate for `names` (else for its host)."""
    certificate = certificate_body(authority, *(names or [domain.host]), **how)
    documents.put("certificate", domain.host, {"id": domain.pk, "host": domain.host, "current": certificate})
    documents.change(domain, tls=tls)


class Answer:
    """An answer and its body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.text = response.status, response.headers, response.read().decode()


class Handshake:
    """A TLS connection to an edge for the server name `name`; requests go over it one after another."""

    def __init__(self, edge: EdgeServer, name: str, *, client: Path | None = None) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if client:
            context.load_cert_chain(client)
        plain = socket.create_connection(("127.0.0.1", edge.https_port), timeout=30)
        self.socket = context.wrap_socket(plain, server_hostname=name)

    def ask(
        self, host: str, path: str = "/", *, method: str = "GET", headers: dict[str, str] | None = None
    ) -> Answer:
        """A request for `host`."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return Answer(response)

    def close(self) -> None:
        """End it."""
        self.socket.close()


def ask(edge: EdgeServer, host: str, path: str = "/", *, name: str = "", **options: Any) -> Answer:
    """One request over a handshake of its own, for `name` (else for the host)."""
    client = options.pop("client", None)
    handshake = Handshake(edge, name or host, client=client)
    try:
        return handshake.ask(host, path, **options)
    finally:
        handshake.close()
