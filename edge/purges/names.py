"""What a person or a program wants purged, in the form that edges know it. Pure; errors are sentences.

parse_url("https://Bücher.example/a%7e?x=1#top")  -->  Address("xn--bcher-kva.example", "/a~?x=1")
parse_url("/a~?x=1")                              -->  Address("", "/a~?x=1")
"""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from domains.hostnames import normalize_hostname
from domains.urls import normalize
from edge.purges.table import LONGEST_NAME, PREFIX, URL, Key, wider

#: Characters of one tag, and what it may consist of: a comma or a space separates tags.
LONGEST_TAG = 255
_TAG = re.compile(r"^[!-+\--~]+$")


class Address(NamedTuple):
    """A URL taken apart: `host` is "" where only a path was given; `name` is a path, perhaps with a query."""

    host: str
    name: str


def parse_url(text: str) -> Address:
    """A path, a URL, or a URL without its scheme, normalized. Raises `ValidationError`."""
    given = text.strip()
    if not given:
        raise ValidationError("An empty line is no URL.")
    host, target = "", given
    if not given.startswith("/"):
        host, target = _host_and_target(given)
    target = target.partition("#")[0]
    if target.endswith("*"):
        raise ValidationError(
            f"“{_short(text)}”: a star is no wildcard in a URL. "
            f"Purge the prefix {_path(target.rstrip('*'))} instead."
        )
    path, query = normalize(target)
    return Address(host, f"{path}?{query}" if query else path)


def parse_prefix(text: str) -> str:
    """The beginning of a path, normalized. Raises `ValidationError`."""
    given = text.strip()
    if not given.startswith("/"):
        raise ValidationError(f"“{_short(text)}”: a prefix begins with /, as in /img/.")
    if "?" in given:
        raise ValidationError(f"“{_short(text)}”: a prefix has no query; it purges every query below it.")
    if given.endswith("*"):
        raise ValidationError(
            f"“{_short(text)}”: leave the star out; a prefix purges all that begins with it."
        )
    return normalize(given)[0]


def parse_tag(text: str) -> str:
    """A tag in lower case. Raises `ValidationError`."""
    tag = text.strip().lower()
    if not tag:
        raise ValidationError("An empty line is no tag.")
    if len(tag) > LONGEST_TAG:
        raise ValidationError(f"“{_short(text)}”: a tag has at most {LONGEST_TAG} characters.")
    if not _TAG.match(tag):
        raise ValidationError(
            f"“{_short(text)}”: a tag consists of visible ASCII characters, without commas and spaces."
        )
    return tag


def url_target(name: str, *, all_variants: bool) -> Key:
    """What is purged for a URL: one query, or (`all_variants`, or where none is given) all of them."""
    key = (URL, name)
    if all_variants and "?" in name:
        key = wider(key)
    return fitting(key)


def prefix_target(name: str) -> Key:
    """What is purged for a prefix."""
    return fitting((PREFIX, name))


def fitting(key: Key) -> Key:
    """The name, widened until it is short enough."""
    while len(key[1]) > LONGEST_NAME:
        key = wider(key)
    return key


def _host_and_target(given: str) -> tuple[str, str]:
    scheme, separator, rest = given.partition("://")
    if separator and scheme.lower() not in ("http", "https"):
        raise ValidationError(f"“{_short(given)}”: edges serve http and https only.")
    whole = given if separator else f"http://{given}"
    try:
        parts = urlsplit(whole)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValidationError(f"“{_short(given)}” is not a URL: {error}.") from error
    if not separator and "/" not in given:
        raise ValidationError(f"“{_short(given)}” is neither a path, which begins with /, nor a URL.")
    after = whole.partition("://")[2]
    target = after[len(re.split(r"[/?#]", after, maxsplit=1)[0]) :]
    try:
        return _normal(host), target
    except ValidationError as error:
        raise ValidationError(
            f"“{_short(given)}” has no host name: a URL is /path or https://host/path."
        ) from error


#: Thousands of URLs in one call mostly name one host.
_normal = lru_cache(maxsize=1_000)(normalize_hostname)


def _path(target: str) -> str:
    return _short(target.partition("?")[0]) or "/"


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 80 else f"{text[:77]}…"
