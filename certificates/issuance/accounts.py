"""Our account at an authority: made when it is first needed, and again where the authority has lost it."""

from dataclasses import replace

from accounts.sealing import open_sealed, seal
from certificates.issuance.client import Client
from certificates.issuance.errors import AuthorityProblem, OrderFails
from certificates.issuance.events import event
from certificates.issuance.keys import account_key, generate_key
from certificates.issuance.network import Watcher
from certificates.issuance.outcomes import AUTHORITY_FAILURES, Failed, FailureKind
from certificates.issuance.problems import failure
from certificates.models import Authority, AuthorityAccount


def account_client(*, authority: Authority, staging: bool, watch: Watcher) -> Client:
    """A client with our account, which is registered where it is not yet.

    The caller closes it. Raises `OrderFails`, `AuthorityProblem` and `AuthorityUnreachable`.
    """
    account = _account(authority, staging)
    client = Client(
        authority.staging_url if staging else authority.directory_url,
        key=account_key(open_sealed(account.key, record=_record(authority, staging))),
        account_url=account.url,
        trust=authority.trust,
        watch=watch,
    )
    if not account.url:
        try:
            _register(client, account, authority)
        except BaseException:
            client.close()
            raise
    return client


def account_forget(*, authority: Authority, staging: bool, url: str) -> None:
    """Note that the authority knows this account no more; its key stays, for the next one."""
    AuthorityAccount.objects.filter(authority=authority, staging=staging, url=url).update(url="")
    event("account_forgotten", authority=authority.name, staging=staging)


def _account(authority: Authority, staging: bool) -> AuthorityAccount:
    found = AuthorityAccount.objects.filter(authority=authority, staging=staging).first()
    if found:
        return found
    # Stored before it is used: whoever comes after a crash registers the same key, which finds the same
    # account (RFC 8555 section 7.3.1).
    key = seal(generate_key("ecdsa-p256"), record=_record(authority, staging))
    return AuthorityAccount.objects.get_or_create(
        authority=authority, staging=staging, defaults={"url": "", "key": key}
    )[0]


def _register(client: Client, account: AuthorityAccount, authority: Authority) -> None:
    if client.terms and not authority.terms_agreed:
        raise _refused(
            f"{authority.name} has terms of service ({client.terms}): read them, and agree to them."
        )
    eab = _external_account(authority)
    if client.wants_external_account and not eab:
        raise _refused(f"{authority.name} wants an external account: enter its key id and its HMAC key.")
    try:
        url = client.register(contact=contacts(authority.contact), eab=eab)
    except AuthorityProblem as problem:
        said = failure(
            problem.problem, authority=authority.name, status=problem.status, retry_after=problem.retry_after
        )
        if said.kind in AUTHORITY_FAILURES:
            raise OrderFails(replace(said, everybody=True)) from problem
        detail = str(problem.problem.get("detail") or problem.status).rstrip(".")
        raise _refused(f"{authority.name} does not accept our account: “{detail}”.", said) from problem
    AuthorityAccount.objects.filter(pk=account.pk).update(url=url)
    event("account_registered", authority=authority.name, staging=account.staging)


def _external_account(authority: Authority) -> tuple[str, str] | None:
    if not authority.eab_kid or not authority.eab_key:
        return None
    key = open_sealed(authority.eab_key, record=f"eab:{authority.name}").decode("ascii", "replace")
    return authority.eab_kid, key.strip()


def contacts(text: str) -> list[str]:
    """`a@example.com, b@example.com` → the URLs of RFC 8555 section 7.3."""
    words = text.replace(",", " ").split()
    return [word if ":" in word else f"mailto:{word}" for word in words]


def _record(authority: Authority, staging: bool) -> str:
    return f"account:{authority.name}:{'staging' if staging else 'production'}"


def _refused(sentence: str, said: Failed | None = None) -> OrderFails:
    problem = said.problem if said else {}
    return OrderFails(Failed(FailureKind.ACCOUNT, sentence, said.retry_after if said else None, problem))
