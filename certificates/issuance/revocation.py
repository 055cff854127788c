"""Revoking a certificate at the authority that issued it (RFC 8555 section 7.6)."""

from cryptography.x509 import load_pem_x509_certificate
from django.utils import timezone

from accounts.errors import NotOpened, SealingKeyMissing
from certificates.issuance.accounts import account_client, account_forget
from certificates.issuance.errors import (
    AccountUnknown,
    AuthorityProblem,
    AuthorityUnreachable,
    NotRevoked,
    OrderFails,
)
from certificates.issuance.events import event
from certificates.issuance.problems import problem_code
from certificates.models import Certificate

#: Reasons that an owner may give, and their numbers in RFC 5280 section 5.3.1.
REASONS = {
    "unspecified": 0,
    "keyCompromise": 1,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
}


def certificate_revoke(*, certificate: Certificate, reason: str = "unspecified") -> None:
    """Have the authority revoke it, and note that; doing it twice does no harm.

    It goes on being served until another one is deployed. Raises `NotRevoked`.
    """
    if certificate.revoked_at:
        return
    if reason not in REASONS:
        raise NotRevoked(f"“{reason}” is no reason for that; there are: {', '.join(REASONS)}.")
    authority = certificate.authority
    if authority is None or certificate.source != Certificate.Source.ACME:
        raise NotRevoked("Nobody here has had it issued: revoke it where you have got it from.")
    try:
        client = account_client(authority=authority, staging=certificate.staging, watch=lambda _: None)
        try:
            client.revoke(load_pem_x509_certificate(certificate.chain.encode()), reason=REASONS[reason])
        finally:
            client.close()
    except AuthorityProblem as problem:
        if problem_code(problem.problem) != "alreadyRevoked":
            detail = str(problem.problem.get("detail") or problem.status).rstrip(".")
            raise NotRevoked(f"{authority.name} does not revoke it: “{detail}”.") from problem
    except AccountUnknown as error:
        account_forget(authority=authority, staging=certificate.staging, url=client.account_url)
        raise NotRevoked(f"{authority.name} has forgotten the account that it was issued to.") from error
    except AuthorityUnreachable as error:
        raise NotRevoked(f"{authority.name} cannot be asked: {error.why}; try again.") from error
    except (OrderFails, NotOpened, SealingKeyMissing) as error:
        raise NotRevoked(str(error)) from error
    # save(), so that whatever is made of it is made again.
    certificate.revoked_at, certificate.revocation_reason = timezone.now(), reason
    certificate.save(update_fields=["revoked_at", "revocation_reason"])
    event("certificate_revoked", serial=certificate.serial, authority=authority.name, reason=reason)
