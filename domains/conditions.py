"""What may stand in a condition of a cache rule, and in the lists of its actions.

Each function takes what a person typed and returns it in the one form that is stored (a list: one value
a line), or raises `ValidationError` with a sentence.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable
from urllib.parse import unquote

from django.core.exceptions import ValidationError

from domains import limits
from domains.countries import COUNTRIES
from domains.patterns import validate_pattern
from domains.urls import escape

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")  # RFC 9110 section 5.6.2
_STATUSES = re.compile(r"([1-5])xx|([1-5]\d\d)(?:\s*-\s*([1-5]\d\d))?", re.IGNORECASE)


def split(text: str, *, commas: bool = True) -> list[str]:
    """The values of a list that was typed one a line, or with commas between."""
    pieces = re.split(r"[\n,]" if commas else r"\n", text)
    return [piece.strip() for piece in pieces if piece.strip()]


def normalize_list(
    text: str, form: Callable[[str], str], *, most: int = limits.VALUES, commas: bool = True
) -> str:
    """Each value in its form, one a line, none twice, in the order in which they were typed."""
    values = list(dict.fromkeys(form(piece) for piece in split(text, commas=commas)))
    if len(values) > most:
        raise ValidationError(f"These are {len(values)} values; at most {most} are allowed.")
    return "\n".join(values)


def path_prefix(text: str) -> str:
    """`/bücher/` → `/b%C3%BCcher/`."""
    if not text.startswith("/"):
        raise ValidationError(f"“{text}”: a path begins with /, without scheme and host.")
    if "?" in text:
        raise ValidationError(f"“{text}”: a path has no query; add a condition on an argument instead.")
    if {".", ".."} & set(text.split("/")[:-1]):
        raise ValidationError(f"“{text}” can match nothing: edges take . and .. out of each path first.")
    return _at_most(escape(text), limits.PATH)


def path_glob(text: str) -> str:
    """A glob over the whole path: `*` and `?` stop at /, `**` does not."""
    if not text.startswith(("/", "*")):
        raise ValidationError(f"“{text}”: a glob is about the whole path and begins with / or *.")
    if "***" in text:
        raise ValidationError(f"“{text}” has three stars in a row; * stops at a /, ** does not.")
    if found := re.search(r"[\[\]{}]", text):
        raise ValidationError(f"“{text}”: {found[0]} has no meaning here; only *, ** and ? have.")
    if re.search(r"\?[^/?*]*=", text):
        raise ValidationError(f"“{text}”: a path has no query; add a condition on an argument instead.")
    return _at_most("?".join(escape(piece) for piece in text.split("?")), limits.PATH)


def path_regex(text: str) -> str:
    """A regular expression that is searched in the path: see `domains.patterns`."""
    validate_pattern(text)
    return _at_most(text, limits.REGEX)


def extension(text: str) -> str:
    """`.JPG` → `jpg`."""
    text = text.removeprefix(".")
    if "." in text:
        raise ValidationError(f"“{text}”: the extension is what follows the last dot.")
    if not re.fullmatch(r"[A-Za-z0-9_~-]{1,32}", text):
        raise ValidationError(f"“{text}” is no extension: up to 32 letters, digits, - and _.")
    return text.lower()


def method(text: str) -> str:
    """`get` → `GET`."""
    if text.upper() not in METHODS:
        raise ValidationError(f"“{text}” is none of {', '.join(METHODS)}.")
    return text.upper()


def country(text: str) -> str:
    """`de` → `DE`."""
    if text.upper() not in COUNTRIES:
        raise ValidationError(f"“{text}” is no country code with two letters (ISO 3166), such as DE.")
    return text.upper()


def network(text: str) -> str:
    """`192.0.2.7` → `192.0.2.7/32`; a network must not have bits set behind its prefix."""
    try:
        if "%" in text:
            raise ValueError("it has a zone")
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ValidationError(f"“{text}” is no address and no network such as 192.0.2.0/24.") from error
    if ipaddress.ip_address(text.split("/")[0]) != loose.network_address:
        raise ValidationError(f"“{text}” is an address inside a network; the network is {loose}.")
    return str(loose)


def field_value(text: str) -> str:
    """A value of a header, a cookie or an argument, compared exactly."""
    if not text.isprintable():
        raise ValidationError(f"“{text}” has control characters.")
    return _at_most(text, limits.FIELD_VALUE)


def header_name(text: str) -> str:
    """`Accept-Language` → `accept-language`."""
    return _token(text, "header").lower()


def cookie_name(text: str) -> str:
    """The name of a cookie (RFC 6265), as it is."""
    return _token(text, "cookie")


def argument_name(text: str) -> str:
    """The name of an argument, without escapes: `a%5B%5D` → `a[]`."""
    name = unquote(text)
    if not name.isprintable() or re.search(r"[&=#?]", text):
        raise ValidationError(f"“{text}” is no name of an argument: give what stands before the =.")
    return _at_most(name, limits.FIELD_NAME)


def status_ttls(text: str) -> str:
    """`404: 10, 5xx:5` → `404: 10, 500-599: 5`."""
    ranges = [_status_ttl(piece) for piece in split(text)]
    if len(ranges) > limits.STATUS_RANGES:
        raise ValidationError(f"These are {len(ranges)} entries; at most {limits.STATUS_RANGES} are allowed.")
    return ", ".join(f"{low}: {ttl}" if low == high else f"{low}-{high}: {ttl}" for low, high, ttl in ranges)


def parsed_status_ttls(text: str) -> list[tuple[int, int, int]]:
    """From, to and seconds of each entry."""
    return [_status_ttl(piece) for piece in split(text)]


def _status_ttl(text: str) -> tuple[int, int, int]:
    statuses, _, seconds = (part.strip() for part in text.partition(":"))
    found = _STATUSES.fullmatch(statuses)
    if not found or not re.fullmatch(r"\d{1,9}", seconds):
        raise ValidationError(
            f"“{text}” is not understood: a status or a range, a colon, and seconds, as in 404: 10 or "
            "500-599: 5."
        )
    if found[1]:
        low, high = int(found[1]) * 100, int(found[1]) * 100 + 99
    else:
        low, high = int(found[2]), int(found[3] or found[2])
    if low > high:
        raise ValidationError(f"“{text}”: the range begins behind its end.")
    if int(seconds) > limits.TTL:
        raise ValidationError(f"“{text}”: at most {limits.TTL} seconds (a year).")
    return low, high, int(seconds)


def _token(text: str, noun: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValidationError(f"“{text}” is no name of a {noun}: no spaces, colons or other separators.")
    return _at_most(text, limits.FIELD_NAME)


def _at_most(text: str, most: int) -> str:
    if len(text.encode()) > most:
        raise ValidationError(f"“{text[:40]}…” is longer than {most} bytes.")
    return text


def unbounded_sentence(rule: str, noun: str, names: Iterable[str]) -> str:
    """Why a rule must not key by these headers or cookies; names the rule."""
    return (
        f"The rule “{rule}” cannot keep an object for each {noun} {', '.join(names)}: it differs for "
        "nearly every "
        "client or request, so nothing would be found again."
    )
