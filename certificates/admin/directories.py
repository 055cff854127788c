"""Whether an authority can be asked: its directories are fetched, and nothing else is."""

from dataclasses import dataclass

from certificates.issuance.client import Client
from certificates.issuance.errors import AuthorityProblem, AuthorityUnreachable
from certificates.issuance.keys import account_key, generate_key
from certificates.models import Authority


@dataclass(frozen=True)
class Tested:
    """What came of one directory. `ok`: it can be used as the authority is set up now."""

    ok: bool
    sentence: str


def authority_test(*, authority: Authority) -> list[Tested]:
    """Fetch the production and, where there is one, the staging directory."""
    found = [_directory(authority, authority.directory_url, authority.name)]
    if authority.staging_url:
        found.append(_directory(authority, authority.staging_url, f"{authority.name}'s staging"))
    return found


def _directory(authority: Authority, url: str, called: str) -> Tested:
    key = account_key(generate_key("ecdsa-p256"))  # signs nothing here
    client = Client(url, key=key, trust=authority.trust, watch=lambda _: None)
    try:
        lacking = _lacking(authority, client)
        abilities = "with renewal information" if client.has_renewal_info else "without renewal information"
        if client.profiles:
            abilities += f", profiles {', '.join(sorted(client.profiles))}"
    except (AuthorityProblem, AuthorityUnreachable) as error:
        return Tested(False, f"{called}: {error}")
    finally:
        client.close()
    if lacking:
        return Tested(False, f"{called} answers, and {lacking}.")
    return Tested(True, f"{called} answers ({abilities}).")


def _lacking(authority: Authority, client: Client) -> str:
    if not isinstance(client.directory.get("newOrder"), str):
        return "its answer is no ACME directory"
    if client.terms and not authority.terms_agreed:
        return f"wants its terms to be agreed to: {client.terms}"
    if client.wants_external_account and not (authority.eab_kid and authority.eab_key):
        return "wants an external account: enter its key id and HMAC key"
    if authority.profile and authority.profile not in client.profiles:
        return f"does not offer the profile {authority.profile}"
    return ""
