"""Strong validators, and the conditions that clients put on them (RFC 9110 sections 8.8.3 and 13.1).

Where a representation has fields that change with no edit of it, its ETag has two parts, with a dot between
them: one of what people edit, which the conditions of a change look at, and one of everything, by which a GET
knows whether whoever asks has seen the newest.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.utils.encoders import JSONEncoder

from api.errors import PreconditionFailed

TAG = re.compile(r'(W/)?"([!#-~]*)"')
#: What `If-Match` and `If-None-Match` may say.
CONDITION = re.compile(rf"\*|{TAG.pattern}([ \t]*,[ \t]*{TAG.pattern})*")


def etag_of(versioned: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    """The ETag of a representation, quotes included. `versioned`: what of it changes by edits alone."""
    edited, everything = _digest(versioned), _digest(whole)
    return f'"{edited}"' if edited == everything else f'"{edited}.{everything}"'


def check_match(headers: Mapping[str, str], etag: str | None) -> None:
    """Raise `PreconditionFailed` where If-Match or If-None-Match forbids a change, and `ParseError`.

    `etag` is what is there now; None: nothing is.
    """
    wanted, unwanted = condition(headers, "If-Match"), condition(headers, "If-None-Match")
    if wanted is not None and not _names(wanted, etag, weakly=False):
        raise PreconditionFailed()
    if unwanted is not None and _names(unwanted, etag, weakly=True):
        raise PreconditionFailed("It is there already, which If-None-Match forbids.")


def is_known(headers: Mapping[str, str], etag: str) -> bool:
    """Whether whoever asks has this representation already: 304. Raises `ParseError`."""
    known = condition(headers, "If-None-Match")
    return known is not None and _names(known, etag, weakly=True, whole=True)


def condition(headers: Mapping[str, str], name: str) -> str | None:
    """One of both headers; None: it is not there. Raises `ParseError`: what is no tag would never match."""
    text = headers.get(name)
    if text is not None and not CONDITION.fullmatch(text := text.strip()):
        raise ParseError(f"{name} is `*`, or ETags in quotes with commas between them.")
    return text


def _digest(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, cls=JSONEncoder, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _edited(tag: str) -> str:
    """The part of a tag, without its quotes, that says what people edit."""
    return tag.partition(".")[0]


def _names(header: str, etag: str | None, *, weakly: bool, whole: bool = False) -> bool:
    if etag is None:
        return False
    if header == "*":
        return True
    part = str if whole else _edited
    mine = part(etag.strip('"'))
    return any(part(tag) == mine and (weakly or not weak) for weak, tag in TAG.findall(header))
