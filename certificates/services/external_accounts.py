"""External account binding (RFC 8555 section 7.3.4): the key goes in sealed, and never comes out."""

import hmac

from accounts.sealing import open_sealed, seal
from certificates.models import Authority


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


def external_account_problem(*, kid: str, key: bool) -> dict[str, str]:
    """An account is a key id and a key, or neither: field → sentence. `key`: whether there is one."""
    if kid and not key:
        return {"eab_key": "An external account needs its HMAC key too."}
    return {} if kid or not key else {"eab_kid": "An external account needs its key id too."}


def _record(authority: Authority) -> str:
    return f"eab:{authority.name}"
