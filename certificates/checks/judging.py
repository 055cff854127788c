"""Whether a certificate may be installed. A refusal is one sentence; what only deserves a look is noted."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certificates.checks.chain import is_self_issued
from certificates.checks.errors import CertificateRefused
from certificates.checks.keys import key_weakness
from certificates.checks.material import Material, called
from certificates.renewal.names import missing
from domains import limits
from edge.statuses import names as listed

#: What signatures are made with that browsers believe.
HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
#: With less of its lifetime left a certificate should have been renewed.
LATE = 1 / 3


@dataclass(frozen=True)
class Installed:
    """What a new certificate is compared with: the one that is served."""

    fingerprint: str
    not_before: datetime
    not_after: datetime


def judge(
    material: Material,
    *,
    now: datetime,
    wanted: Iterable[str],
    installed: Installed | None = None,
    confirmed: bool = False,
) -> tuple[str, ...]:
    """Warnings, whole sentences, about a certificate that may be installed for the `wanted` names.

    `installed`: the one in its place, which is not to be replaced by an older one. `confirmed`: somebody
    wants it although it is older, or lacks names. Raises `CertificateRefused`.
    """
    _require_bounds(material)
    _require_strength(material)
    _require_purpose(material.leaf)
    _require_dates(material, now)
    warnings = [*_gaps(material, [*wanted], confirmed)]
    if installed and not confirmed:
        _require_newer(material, installed)
    return (*warnings, *_looks(material, now, installed))


def _require_bounds(material: Material) -> None:
    names, length = len(material.names), len(material.pem)
    if names > limits.CERTIFICATE_NAMES:
        raise CertificateRefused(
            f"The certificate has {names:,} names; edges take {limits.CERTIFICATE_NAMES:,} at most."
        )
    if length > limits.CHAIN:
        raise CertificateRefused(
            f"The certificate and its chain have {length:,} characters, which each handshake sends; edges "
            f"take {limits.CHAIN:,} at most."
        )


def _require_strength(material: Material) -> None:
    for each in material.chain:
        whose = "The certificate" if each == material.leaf else f"The intermediate “{called(each.subject)}”"
        try:
            weakness = key_weakness(each.public_key())
        except (UnsupportedAlgorithm, ValueError):
            weakness = "its key is of a kind that nobody knows"
        try:
            digest = each.signature_hash_algorithm
        except UnsupportedAlgorithm:
            digest = None
        if weakness:
            raise CertificateRefused(f"{whose} is refused: {weakness}.")
        if not isinstance(digest, HASHES):
            name = digest.name.upper() if digest else "an unknown algorithm"
            raise CertificateRefused(
                f"{whose} is refused: it is signed with {name}, which browsers do not believe: have it "
                "issued anew, with SHA-256."
            )


def _require_purpose(leaf: x509.Certificate) -> None:
    try:
        extensions = leaf.extensions
    except (ValueError, x509.DuplicateExtension) as error:
        raise CertificateRefused(
            "The certificate's extensions cannot be read: have it issued anew."
        ) from error
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.ExtendedKeyUsage) and not {
            ExtendedKeyUsageOID.SERVER_AUTH,
            ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        } & {*value}:
            raise CertificateRefused(
                "The certificate is not for servers: its extended key usage lacks “server authentication”."
            )
        if isinstance(value, x509.TLSFeature) and x509.TLSFeatureType.status_request in value:
            raise CertificateRefused(
                "The certificate asks for stapled revocation answers (must-staple), which the edges do not "
                "send: have it issued without."
            )
        if isinstance(value, x509.PrecertPoison):
            raise CertificateRefused("This is a precertificate, which no client accepts: use the real one.")
        if isinstance(value, x509.BasicConstraints) and value.ca and not is_self_issued(leaf):
            raise CertificateRefused(
                "This is the certificate of an authority, not of a server; the server's own is needed."
            )


def _require_dates(material: Material, now: datetime) -> None:
    for each in material.chain:
        whose = "The certificate" if each == material.leaf else f"The intermediate “{called(each.subject)}”"
        if each.not_valid_after_utc <= now:
            raise CertificateRefused(
                f"{whose} expired on {each.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: have it renewed."
            )
        if each.not_valid_before_utc > now:
            raise CertificateRefused(
                f"{whose} is not valid before {each.not_valid_before_utc:%Y-%m-%d %H:%M} UTC: wait for it."
            )


def _gaps(material: Material, wanted: list[str], confirmed: bool) -> Iterable[str]:
    names = material.names
    if not names:
        common = material.leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        where = f"only as its common name (“{common[0].value!s}”), which" if common else "nowhere, and"
        raise CertificateRefused(
            f"The certificate names its hosts {where} browsers ignore: have it issued with subject "
            "alternative names.",
            field="names",
        )
    lacking = missing(names, wanted)
    if lacking and len(lacking) == len(set(wanted)):
        raise CertificateRefused(
            f"The certificate is for {listed([*names])}, for none of the domain's names ({listed(lacking)}).",
            field="names",
        )
    if not lacking:
        return
    sentence = f"The certificate is not for {listed(lacking)}"
    if not confirmed:
        raise CertificateRefused(
            f"{sentence}, which the domain has too; it is for {listed([*names])}.",
            field="names",
            confirmable=True,
        )
    yield f"{sentence}: clients are warned there."


def _require_newer(material: Material, installed: Installed) -> None:
    if material.fingerprint == installed.fingerprint:
        return
    if material.not_before < installed.not_before and material.not_after <= installed.not_after:
        raise CertificateRefused(
            f"The certificate is older than the one that is served, and ends no later "
            f"({material.not_after:%Y-%m-%d} against {installed.not_after:%Y-%m-%d}).",
            confirmable=True,
        )


def _looks(material: Material, now: datetime, installed: Installed | None) -> Iterable[str]:
    left = material.not_after - now
    if left < (material.not_after - material.not_before) * LATE:
        yield f"It ends in {_days(left.total_seconds())}, on {material.not_after:%Y-%m-%d}: renew it soon."
    if installed and material.not_after < installed.not_after:
        yield (
            f"It ends on {material.not_after:%Y-%m-%d}, before the one in whose place it comes "
            f"({installed.not_after:%Y-%m-%d})."
        )
    if material.self_signed:
        yield "It is self-signed: browsers warn of it, unless somebody has told them to trust it."


def _days(seconds: float) -> str:
    days = int(seconds // 86_400)
    if days >= 2:
        return f"{days} days"
    return f"{max(1, int(seconds // 3600))} h"
