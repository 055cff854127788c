"""Private keys: read from what people have, and judged."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certificates.checks.errors import CertificateRefused
from certificates.checks.pem import Block, blocks, is_pem

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

#: Labels of blocks with a private key: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017), SEC 1 (RFC 5915).
LABELS = {"PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"}

#: Sizes of RSA keys in bits: weaker ones can be broken, stronger ones only cost the edges their time.
RSA_LEAST, RSA_MOST = 2048, 8192
#: The curves that every client knows.
CURVES = {"secp256r1": "ecdsa-p256", "secp384r1": "ecdsa-p384"}

FOREIGN = {
    "OPENSSH PRIVATE KEY": "an OpenSSH key; convert it with “ssh-keygen -p -m pem -f FILE”",
    "PUBLIC KEY": "a public key; the private one is needed",
    "RSA PUBLIC KEY": "a public key; the private one is needed",
    "DSA PRIVATE KEY": "a DSA key, which no browser accepts; make an ECDSA or RSA one",
    "CERTIFICATE": "a certificate; its private key is needed here",
    "CERTIFICATE REQUEST": "a certificate signing request; the private key that it was made from is needed",
}


def read_key(data: bytes, *, password: str = "") -> PrivateKey:
    """The private key in a file or field: PEM or DER, encrypted or not.

    Raises `CertificateRefused`, whose field is `key` or `password`.
    """
    if not data.strip():
        raise _refused("The private key is missing: paste it, or choose its file.")
    if not is_pem(data):
        return _load(data, password, pem=False)
    found = blocks(data, field="key")
    keys = [block for block in found if block.label in LABELS]
    if not keys:
        known = [FOREIGN[block.label] for block in found if block.label in FOREIGN]
        raise _refused(f"This is {known[0]}." if known else "There is no private key in it.")
    return key_of(keys[0], password=password)


def key_of(block: Block, *, password: str = "") -> PrivateKey:
    """The private key in one block."""
    return _load(block.text.encode("latin-1"), password, pem=True)


def key_type(key: PrivateKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    """`ecdsa-p256`, `ecdsa-p384` or `rsa-2048`."""
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return f"rsa-{key.key_size}"
    return CURVES.get(key.curve.name, f"ecdsa-{key.curve.name}")


def key_weakness(key: object) -> str:
    """Why a (public or private) key is not served, as half a sentence; "" where it is."""
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        if key.key_size < RSA_LEAST:
            return f"its RSA key has {key.key_size} bits, and fewer than {RSA_LEAST} can be broken"
        if key.key_size > RSA_MOST:
            return f"its RSA key has {key.key_size} bits, and more than {RSA_MOST} cost each visitor time"
        return ""
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        if key.curve.name in CURVES:
            return ""
        return f"its key is on the curve {key.curve.name}, which not every client knows: use P-256 or P-384"
    return "its key is neither RSA nor ECDSA, which browsers do not accept: use P-256"


def key_bytes(key: PrivateKey) -> bytes:
    """The key as PKCS#8 DER: what is sealed."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load(data: bytes, password: str, *, pem: bool) -> PrivateKey:
    load = serialization.load_pem_private_key if pem else serialization.load_der_private_key
    secret = password.encode() or None
    try:
        try:
            key = load(data, secret)
        except TypeError as error:
            if secret is None:
                raise CertificateRefused(
                    "The private key is encrypted: enter its password.", field="password"
                ) from error
            key = load(data, None)  # a password for what has none harms nobody
    except UnsupportedAlgorithm as error:
        raise _refused("The private key is of a kind that cannot be read: use RSA or ECDSA.") from error
    except ValueError as error:
        raise _unreadable(data, secret) from error
    if weakness := key_weakness(key):
        raise _refused(f"The private key is refused: {weakness}.")
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)  # noqa: S101  # weakness has looked
    return key


def _unreadable(data: bytes, secret: bytes | None) -> CertificateRefused:
    if secret is not None and (b"ENCRYPTED" in data or not is_pem(data)):
        return CertificateRefused("The password does not open the private key.", field="password")
    return _refused("The private key cannot be read: it is damaged or cut off, or it is no private key.")


def _refused(sentence: str) -> CertificateRefused:
    return CertificateRefused(sentence, field="key")
