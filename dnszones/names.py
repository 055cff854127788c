"""Names inside a zone: how they are typed, and how they are stored.

An owner name is stored relative to its zone, in A-labels: `@` is the apex, `www`, `*.shop`,
`_acme-challenge.www`. Underscores are allowed here, because DNS data that is no host name uses them
(RFC 8552); host names themselves are checked by `domains.hostnames`.
"""

import re
from collections.abc import Collection

import idna
from django.core.exceptions import ValidationError

from dnszones.zonedata import APEX
from domains.hostnames import display_hostname, normalize_hostname

_LABEL = re.compile(r"^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$")


def normalize_apex(text: str) -> str:
    """The apex of a zone: `Bücher.Example.` → `xn--bcher-kva.example`. Raises `ValidationError`."""
    return normalize_hostname(text)


def normalize_owner(text: str, apex: str) -> str:
    """An owner name as it is stored, however it was typed: relative, or whole (with or without a dot).

    A name that ends with the apex counts as whole: nobody means `www.example.com.example.com`.
    Raises `ValidationError` where it is no name, or lies outside the zone.
    """
    typed = text.strip()
    if typed in ("", APEX):
        return APEX
    name = encode_name(typed)
    if name == apex:
        return APEX
    if name.endswith(f".{apex}"):
        name = name.removesuffix(f".{apex}")
    elif typed.endswith("."):
        raise ValidationError(f"“{text}” lies outside the zone {display_hostname(apex)}.")
    if len(full_name(name, apex)) > 253:
        raise ValidationError(f"“{text[:40]}…” is longer than 253 characters with its zone (RFC 1035).")
    return name


def encode_name(text: str, *, wildcard: bool = True) -> str:
    """A name in A-labels without the final dot. Raises `ValidationError` with a sentence."""
    labels = text.strip().removesuffix(".").split(".")
    if len(labels) > 1 and not all(labels):
        raise ValidationError(f"“{text}” has an empty label.")
    encoded = [_encode_label(label, text) if label != "*" else "*" for label in labels]
    if "*" in encoded[1:] or (encoded[0] == "*" and not wildcard):
        raise ValidationError(f"“{text}”: the star may only stand alone in front, as in *.shop.")
    name = ".".join(encoded)
    if len(name) > 253:
        raise ValidationError(f"“{text[:40]}…” is longer than 253 characters (RFC 1035).")
    return name


def _encode_label(label: str, text: str) -> str:
    try:
        # Not by IDNA where it is ASCII: that would refuse an underscore.
        encoded = label.lower() if label.isascii() else idna.encode(label, uts46=True).decode().lower()
    except idna.IDNAError as error:
        raise ValidationError(f"“{text}” is not a valid name: {error}.") from error
    if not _LABEL.match(encoded):
        raise ValidationError(
            f"“{text}” is not a valid name: a label has 1 to 63 letters, digits, underscores and inner "
            "hyphens."
        )
    return encoded


def full_name(owner: str, apex: str) -> str:
    """`www`, `example.com` → `www.example.com`; without the final dot."""
    return apex if owner == APEX else f"{owner}.{apex}"


def owner_in(name: str, apex: str) -> str | None:
    """The owner name of a whole name in the zone `apex`; None where it lies outside."""
    if name == apex:
        return APEX
    return name.removesuffix(f".{apex}") if name.endswith(f".{apex}") else None


def closest_apex(name: str, apexes: Collection[str]) -> str | None:
    """The deepest of the zones in which `name` lies: of a nested pair, the child."""
    # For every name of every site, so without making lists.
    while name not in apexes:
        dot = name.find(".")
        if dot < 0:
            return None
        name = name[dot + 1 :]
    return name


def covering_cut(owner: str, cuts: Collection[str]) -> str | None:
    """The delegation (an owner name with a zone of its own) at or above `owner`; None where there is none."""
    labels = owner.split(".")
    for start in range(len(labels)):
        if (candidate := ".".join(labels[start:])) in cuts:
            return candidate
    return None
