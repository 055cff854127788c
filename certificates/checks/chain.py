"""From a heap of certificates to a chain: the leaf first, each issued by the next one, the root left out."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import certifi
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from certificates.checks.errors import CertificateRefused
from certificates.checks.keys import PrivateKey
from certificates.checks.material import called, dns_names
from certificates.checks.pem import blocks

#: Intermediates in a chain; three are rare.
DEEPEST = 8
#: Certificates in one upload.
MOST = 50


@dataclass(frozen=True)
class Ordered:
    """A chain and what was changed: whole sentences. `rooted`: its last issuer is a root that is known,
    to the world or from the files."""

    chain: tuple[x509.Certificate, ...]
    notes: tuple[str, ...]
    rooted: bool


def ordered(certificates: Sequence[x509.Certificate], key: PrivateKey) -> Ordered:
    """Put the certificates in order, from the one that `key` belongs to.

    Raises `CertificateRefused` where the key belongs to none of them.
    """
    if len(certificates) > MOST:
        raise CertificateRefused(
            f"There are {len(certificates)} certificates in it; {MOST} at most are read."
        )
    leaf = _leaf(certificates, key)
    rest = list(dict.fromkeys(each for each in certificates if each != leaf))
    chain, rooted, notes = [leaf], is_self_issued(leaf), []
    while not rooted and len(chain) <= DEEPEST and (issuer := _issuer(chain[-1], rest)):
        rest.remove(issuer)
        if is_self_issued(issuer):
            notes.append(
                f"The root “{called(issuer.subject)}” was left out: clients have it, or never trust it."
            )
            rooted = True
        else:
            chain.append(issuer)
    if [*chain] != [*certificates][: len(chain)]:
        notes.append("The certificates were put in order, the server's own first.")
    if rest:
        dropped = ", ".join(f"“{_subject(each)}”" for each in rest[:5])
        notes.append(f"Left out, as they do not belong to its chain: {dropped}.")
    return Ordered(tuple(chain), tuple(notes), rooted or chain[-1].issuer.public_bytes() in known_roots())


def missing_issuer(chain: Sequence[x509.Certificate]) -> str:
    """The sentence for a chain whose last issuer is neither in it nor a known root."""
    last = chain[-1]
    where = "".join(f" ({url})" for url in _issuer_urls(last)[:1])
    return (
        f"The intermediate certificate “{called(last.issuer)}” is missing, which has issued "
        f"“{_subject(last)}”: add it{where}, or upload the full chain. If it is the root of an authority of "
        "your own, put it into the same file; it is not served."
    )


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Whether it is a root, or self-signed."""
    return certificate.issuer == certificate.subject


@cache
def known_roots() -> frozenset[bytes]:
    """The names (DER) of the roots that the world's clients have."""
    with open(certifi.where(), "rb") as bundle:
        ders = [block.der for block in blocks(bundle.read(), field="")]
    found = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few old roots have serial numbers that RFC 5280 does not allow
        for der in ders:
            try:
                found.add(x509.load_der_x509_certificate(der).subject.public_bytes())
            except ValueError:
                continue
    return frozenset(found)


def _leaf(certificates: Sequence[x509.Certificate], key: PrivateKey) -> x509.Certificate:
    wanted = _public(key.public_key())
    mine = [each for each in certificates if _public(_public_key(each)) == wanted]
    if mine:
        return max(mine, key=lambda each: each.not_valid_after_utc)  # one that was renewed with its key
    shown = next((each for each in certificates if dns_names(each)), certificates[0])
    raise CertificateRefused(
        f"The private key does not belong to the certificate of “{_subject(shown)}”: each has its own "
        "key, the one that its signing request was made with.",
        field="key",
    )


def _issuer(certificate: x509.Certificate, candidates: Sequence[x509.Certificate]) -> x509.Certificate | None:
    fitting = [each for each in candidates if _issued(certificate, each)]
    return max(fitting, key=lambda each: each.not_valid_after_utc, default=None)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject or not _is_authority(issuer):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _issuer_urls(certificate: x509.Certificate) -> list[str]:
    try:
        access = certificate.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_INFORMATION_ACCESS).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [
        each.access_location.value
        for each in access  # type: ignore[attr-defined]
        if each.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        and isinstance(each.access_location, x509.UniformResourceIdentifier)
    ]


def _subject(certificate: x509.Certificate) -> str:
    names = dns_names(certificate)
    return names[0] if names else called(certificate.subject)


def _public_key(certificate: x509.Certificate) -> object:
    try:
        return certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return None


def _public(key: object) -> bytes:
    encode = getattr(key, "public_bytes", None)
    if encode is None:
        return b""
    return bytes(encode(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
