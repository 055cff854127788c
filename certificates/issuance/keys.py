"""Keys of certificates and of accounts, and the requests that are made with them.

A key travels as the DER of PKCS#8 (RFC 5958), and only inside a sealed text.
"""

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from josepy.jwk import JWKEC

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def generate_key(key_type: str) -> bytes:
    """A new key of a kind as `Enrollment.key_type` names it: `ecdsa-p256`, `rsa-3072`."""
    family, _, size = key_type.partition("-")
    key: PrivateKey
    if family == "rsa":
        key = rsa.generate_private_key(public_exponent=65_537, key_size=int(size))
    else:
        key = ec.generate_private_key(ec.SECP384R1() if size == "p384" else ec.SECP256R1())
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def load_key(der: bytes) -> PrivateKey:
    """The key in a DER of PKCS#8. Raises `ValueError` where it is none of our kinds."""
    key = load_der_private_key(der, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("this is no ECDSA or RSA key")
    return key


def account_key(der: bytes) -> JWKEC:
    """The key as the `acme` library signs with it."""
    return JWKEC(key=load_key(der))


def make_request(der: bytes, names: list[str]) -> x509.CertificateSigningRequest:
    """The request for these names (RFC 2986), in the subject alternative name alone."""
    key = load_key(der)
    large = isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA384() if large else hashes.SHA256())
    )


def same_key(der: bytes, certificate: x509.Certificate) -> bool:
    """Whether the certificate is for this key."""
    mine = load_key(der).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    its = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return mine == its
