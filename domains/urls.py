"""One spelling for each URL: what edges key, match and purge by (twin: edge/lua/cirrus/urls.lua)."""

import re

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

#: A percent sign with what follows it, or a byte that may stand neither in a path nor in a query.
_TO_REWRITE = re.compile(rb"%(?:[0-9A-Fa-f]{2})?|[^!$&-;=?-\[\]_a-z~]")


def normalize(target: str) -> tuple[str, str | None]:
    """Path and query of a request target, as RFC 3986 section 6.2.2 spells them; ASCII only.

    `/a/%7eb/../C%2f?x=%41` becomes `("/a/C%2F", "x=A")`. Escaped unreserved characters are plain, other
    escapes have upper-case digits, a lone `%` is `%25`, what may not stand there is escaped (text as
    UTF-8), and dot segments are gone. `//` stays, a fragment is dropped, a path begins with `/`. The
    query keeps its order; it is None where there is none or it is empty. Normalizing again changes nothing.
    """
    raw, _, _ = target.encode("utf-8", "surrogateescape").partition(b"#")
    path, _, query = raw.partition(b"?")
    return _without_dot_segments(_rewritten(path)), _rewritten(query) or None


def _rewritten(raw: bytes) -> str:
    return _TO_REWRITE.sub(_respelled, raw).decode("ascii")


def _respelled(match: re.Match[bytes]) -> bytes:
    found = match.group()
    if len(found) == 1:
        return b"%%%02X" % found[0]
    byte = int(found[1:], 16)
    return bytes([byte]) if byte in _UNRESERVED else found.upper()


def _without_dot_segments(path: str) -> str:
    """RFC 3986 section 5.2.4, with `/` in front where it is missing."""
    kept: list[str] = []
    segments = path.removeprefix("/").split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def escape(piece: str) -> str:
    """A piece of a path or a query in the spelling that `normalize` gives it, dot segments left alone."""
    return _rewritten(piece.encode("utf-8", "surrogateescape"))
