"""Host names as Cirrus stores them: lower case, A-labels, no trailing dot, `*.` only in front."""

import ipaddress
import re

import idna
from django.core.exceptions import ValidationError

_LABEL = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")


def normalize_hostname(text: str, *, wildcard: bool = False) -> str:
    """Turn what a person typed into the A-label form (IDNA 2008, RFC 5891, with UTS 46 mapping).

    `wildcard` allows one leading `*.`, which stands for one label or more. Raises
    `ValidationError` with a sentence; `Bücher.Example.` becomes `xn--bcher-kva.example`.
    """
    name = text.strip().rstrip(".")
    star = name.startswith("*.")
    if star and not wildcard:
        raise ValidationError(f"“{text}” is a wildcard; a single host name is needed here.")
    name = name.removeprefix("*.")
    _refuse_what_is_no_name(name, text)
    encoded = _encode(name, text)
    if star and "." not in encoded:
        raise ValidationError(f"“{text}” would claim a whole top-level domain.")
    result = f"*.{encoded}" if star else encoded
    if len(result) > 253:
        raise ValidationError(f"“{text[:40]}…” is longer than 253 characters (RFC 1035).")
    return result


def _refuse_what_is_no_name(name: str, text: str) -> None:
    """The usual slips, each with a sentence of its own; `text` is what the person typed."""
    if not name:
        raise ValidationError("Enter a host name, for example www.example.com.")
    if "*" in name:
        raise ValidationError(f"“{text}”: the star may only stand alone in front, as in *.example.com.")
    if "/" in name or re.search(r":\d+$", name):
        raise ValidationError(f"“{text}”: enter only the host name, without scheme, port or path.")
    if is_address(name):
        raise ValidationError(f"“{text}” is an IP address; a host name is needed here.")


def is_address(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address, with or without the brackets of a URL."""
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _encode(name: str, text: str) -> str:
    try:
        encoded = idna.encode(name, uts46=True).decode("ascii").lower()
    except idna.IDNAError as error:
        raise ValidationError(f"“{text}” is not a valid host name: {error}.") from error
    labels = encoded.split(".")
    if not all(_LABEL.match(label) for label in labels):
        raise ValidationError(
            f"“{text}” is not a valid host name: a label has letters, digits and inner hyphens."
        )
    if labels[-1].isdigit():
        raise ValidationError(f"“{text}” is not a valid host name: the last label is a number.")
    return encoded


def display_hostname(name: str) -> str:
    """The U-label form for people: `xn--bcher-kva.example` → `bücher.example`."""
    star, _, rest = name.rpartition("*.")
    try:
        return ("*." if star or name.startswith("*.") else "") + idna.decode(rest)
    except idna.IDNAError:
        return name


def covering_wildcards(name: str) -> list[str]:
    """The wildcards that match `name`, nearest first: a.b.c → [*.b.c, *.c]."""
    labels = name.removeprefix("*.").split(".")
    start = 0 if name.startswith("*.") else 1
    return [f"*.{'.'.join(labels[i:])}" for i in range(max(start, 1), len(labels))]


def searched_hostname(text: str) -> str:
    """What to look for when a person searches for `text`: a whole host name in its stored form."""
    try:
        return normalize_hostname(text, wildcard=True)
    except ValidationError:
        return text
