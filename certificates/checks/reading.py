"""From files to a certificate with its chain and key: PEM, DER, PKCS#7 and PKCS#12."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from certificates.checks import keys
from certificates.checks.chain import missing_issuer, ordered
from certificates.checks.errors import CertificateRefused
from certificates.checks.material import Material
from certificates.checks.pem import Block, blocks, is_pem, require_size

#: What the library raises at a certificate that is none: at once, or when a part of it is asked for.
NO_CERTIFICATE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)

FOREIGN = {
    "CERTIFICATE REQUEST": "a certificate signing request: an authority makes the certificate of it",
    "NEW CERTIFICATE REQUEST": "a certificate signing request: an authority makes the certificate of it",
    "PUBLIC KEY": "a public key, not a certificate",
    "TRUSTED CERTIFICATE": "a certificate in OpenSSL's own form; convert it with “openssl x509 -in FILE”",
    "X509 CRL": "a list of revoked certificates",
}


def read_pem(certificates: bytes, key: bytes = b"", *, password: str = "", complete: bool = True) -> Material:
    """A certificate from PEM (or DER): its chain in any order, and its key, in the same file or apart.

    `complete`: the chain must lead to a root, which is either known to the world or in the file. Raises
    `CertificateRefused`.
    """
    require_size(len(certificates), what="The certificate")
    require_size(len(key), what="The private key", field="key")
    if not certificates.strip():
        raise CertificateRefused("The certificate is missing: paste it with its chain, or choose its file.")
    if not is_pem(certificates):
        return _material(_binary(certificates), keys.read_key(key, password=password), complete)
    found = blocks(certificates)
    inside = [block for block in found if block.label in keys.LABELS]
    read = [each for block in found for each in _certificates(block)]
    if not read:
        known = [FOREIGN[block.label] for block in found if block.label in FOREIGN]
        if not known and inside:
            known = ["a private key; it belongs into the other field, and its certificate here"]
        raise CertificateRefused(f"This is {known[0]}." if known else "There is no certificate in it.")
    if not key.strip() and inside:
        return _material(read, keys.key_of(inside[0], password=password), complete)
    return _material(read, keys.read_key(key, password=password), complete)


def read_pkcs12(data: bytes, *, password: str = "", complete: bool = True) -> Material:
    """The same from a PKCS#12 file (.p12, .pfx; RFC 7292)."""
    require_size(len(data), what="The PKCS#12 file")
    if is_pem(data):
        raise CertificateRefused("This is PEM, not PKCS#12: paste it or choose it as a certificate.")
    _require_whole(data)
    try:
        key, leaf, others = pkcs12.load_key_and_certificates(data, password.encode())
    except x509.InvalidVersion as error:
        raise _damaged() from error
    except UnsupportedAlgorithm as error:
        raise CertificateRefused(
            "The PKCS#12 file is encrypted in an old way that is not read: make it anew, with AES-256."
        ) from error
    except ValueError as error:
        wanted = "does not open" if password else "is needed to open"
        raise CertificateRefused(
            f"The password {wanted} the PKCS#12 file, or the file is damaged.", field="password"
        ) from error
    if key is None or leaf is None:
        what = "private key" if key is None else "certificate that belongs to its key"
        raise CertificateRefused(f"There is no {what} in the PKCS#12 file: export it with both.")
    if weakness := keys.key_weakness(key):
        raise CertificateRefused(f"The private key is refused: {weakness}.", field="key")
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)  # noqa: S101  # weakness has looked
    return _material([leaf, *others], key, complete)


def _material(certificates: list[x509.Certificate], key: keys.PrivateKey, complete: bool) -> Material:
    for each in certificates:
        _require_readable(each)
    result = ordered(certificates, key)
    if complete and not result.rooted:
        raise CertificateRefused(missing_issuer(result.chain))
    return Material(result.chain, key, result.notes)


def _certificates(block: Block) -> list[x509.Certificate]:
    try:
        if block.label in ("CERTIFICATE", "X509 CERTIFICATE"):
            return [x509.load_der_x509_certificate(block.der)]
        if block.label in ("PKCS7", "CMS"):
            return pkcs7.load_der_pkcs7_certificates(block.der)
    except NO_CERTIFICATE as error:
        raise _damaged() from error
    return []


def _require_readable(certificate: x509.Certificate) -> None:
    """Refuse a certificate of which some part makes no sense: they are read only when they are asked for."""
    try:
        certificate.extensions, certificate.subject, certificate.issuer  # noqa: B018
        certificate.not_valid_before_utc, certificate.not_valid_after_utc  # noqa: B018
    except NO_CERTIFICATE as error:
        raise _damaged() from error


def _binary(data: bytes) -> list[x509.Certificate]:
    """Certificates in DER, alone or as PKCS#7."""
    if data[:1] != b"\x30":
        raise CertificateRefused(
            "This is no certificate: it begins neither with “-----BEGIN CERTIFICATE-----” nor as DER does."
        )
    _require_whole(data)
    try:
        return [x509.load_der_x509_certificate(data)]
    except (ValueError, x509.InvalidVersion):
        pass
    try:
        return pkcs7.load_der_pkcs7_certificates(data)
    except NO_CERTIFICATE as error:
        raise _damaged() from error


def _require_whole(data: bytes) -> None:
    """Refuse DER that is shorter than its first bytes say (X.690 section 8.1.3)."""
    if data[:1] != b"\x30" or len(data) < 2:
        raise CertificateRefused("This is no such file: it does not begin as DER does.")
    size, head = data[1], 2
    if size & 0x80:
        head += size & 0x7F
        size = int.from_bytes(data[2:head], "big")
    if len(data) < head + size:
        raise CertificateRefused("The file is cut off: it is shorter than it says. Copy it again.")


def _damaged() -> CertificateRefused:
    return CertificateRefused("A certificate in it is damaged or cut off: copy it again from its file.")
