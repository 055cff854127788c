"""External account binding (RFC 8555 section 7.3.4): the key goes in sealed, and never comes out."""

import hmac
import re

from accounts.sealing import open_sealed, seal
from certificates.models import Authority

#: base64url, with its padding or without.
_KEY = re.compile(r"[A-Za-z0-9_-]{2,}={0,2}")


def external_account_set(*, authority: Authority, key: str = "") -> None:
    """Keep this HMAC key for the authority, which the caller saves; without a key id there is none."""
    if key:
        authority.eab_key = seal(key.strip().encode(), record=_record(authority))
    if not authority.eab_kid:
        authority.eab_key = ""


def external_account_has(*, authority: Authority, key: str) -> bool:
    """Whether this is its key. Raises `NotOpened` where the sealed one cannot be read."""
    if not authority.eab_key:
        return False
    held = open_sealed(authority.eab_key, record=_record(authority))
    return hmac.compare_digest(held, key.strip().encode())


def external_account_problem(*, kid: str, key: bool, entered: str = "") -> dict[str, str]:
    """An account is a key id and a key, or neither: field → sentence.

    `key`: whether there is one. `entered`: the one that is entered now, "" where it stays.
    """
    if kid and not key:
        return {"eab_key": "An external account needs its HMAC key too."}
    if key and not kid:
        return {"eab_kid": "An external account needs its key id too."}
    text = entered.strip()
    if text and (not _KEY.fullmatch(text) or len(text.rstrip("=")) % 4 == 1):
        return {"eab_key": "This is no HMAC key (base64url: letters, digits, - and _): copy all of it."}
    return {}


def _record(authority: Authority) -> str:
    return f"eab:{authority.name}"
