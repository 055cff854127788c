"""From a Redis URL to what an edge's subscriber connects by."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from edge.errors import EdgeCannotStart

#: What the query of a rediss:// URL may say, as redis-py has it: paths of PEM files.
AUTHORITIES, CERTIFICATE, KEY = "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"
#: Said or not, it is what an edge does.
ALWAYS = {"ssl_cert_reqs": ["required"], "ssl_check_hostname": ["true"]}


def redis_for_lua(url: str) -> dict[str, Any]:
    """The parts of a Redis URL as the subscriber takes them. Raises `EdgeCannotStart`.

    `tls` (of rediss://) has the paths `certificate` and `key` that the edge shows, where the URL names them.
    """
    parts = urlsplit(url)
    login = {
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
    }
    place: dict[str, Any] = {name: value for name, value in login.items() if value}
    if parts.scheme == "unix":
        return {"path": unquote(parts.path), "database": 0, **place}
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise EdgeCannotStart(
            f"An edge cannot use a Redis URL that begins with {parts.scheme}://; give it rediss://…, "
            "redis://… or unix://… in CIRRUS_EDGE_REDIS_URL."
        )
    if parts.scheme == "rediss":
        place["tls"] = _own_files(_query(url))
    database = parts.path.strip("/") or "0"
    return {"host": parts.hostname, "port": parts.port or 6379, "database": int(database), **place}


def redis_authorities(url: str) -> str:
    """The path of the file of authorities that vouch for this Redis; "": those of the system.

    Raises `EdgeCannotStart`.
    """
    path = _query(url).get(AUTHORITIES, "") if urlsplit(url).scheme == "rediss" else ""
    return _readable(path, AUTHORITIES) if path else ""


def _query(url: str) -> dict[str, str]:
    found = parse_qs(urlsplit(url).query)
    unknown = sorted(
        name
        for name, said in found.items()
        if name not in (AUTHORITIES, CERTIFICATE, KEY) and said != ALWAYS.get(name)
    )
    if unknown:
        raise EdgeCannotStart(
            f"An edge does not know {', '.join(unknown)} in a Redis URL; it takes {AUTHORITIES}, "
            f"{CERTIFICATE} and {KEY}, and always verifies."
        )
    return {name: said[-1] for name, said in found.items()}


def _own_files(query: dict[str, str]) -> dict[str, str]:
    if (CERTIFICATE in query) != (KEY in query):
        raise EdgeCannotStart(f"A Redis URL names both {CERTIFICATE} and {KEY}, or neither.")
    if CERTIFICATE not in query:
        return {}
    return {"certificate": _readable(query[CERTIFICATE], CERTIFICATE), "key": _readable(query[KEY], KEY)}


def _readable(path: str, name: str) -> str:
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise EdgeCannotStart(
            f"{name} of the Redis URL, {path}, cannot be read: {error.strerror}."
        ) from error
    return path
