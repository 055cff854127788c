"""What can be done with tokens: making, checking, rotating and revoking them.

Nobody makes a token that may do more than they may themselves: neither for somebody with more rights, nor,
with a token, one with more scopes, more domains, more networks or a longer life.
"""

import hmac
import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.errors import TokenEnded, TokenTooWide
from accounts.models import Token, User
from accounts.token_secrets import digest_of, is_well_formed, make_secret, prefix_of
from api.clients import is_within

#: The last use of a token is noted at most so often.
NOTED_EVERY = timedelta(minutes=1)
#: How long a rotated token lives on.
OVERLAP = timedelta(hours=24)


@dataclass(frozen=True)
class Issuer:
    """Who makes or changes a token. `user` None: the master token or a command, which may for everybody."""

    name: str
    user: User | None = None
    token: Token | None = None


def token_create(*, token: Token, by: Issuer) -> str:
    """Save a new token, and return its secret, which is in no other place.

    Raises `ValidationError` where its fields cannot be meant, and `TokenTooWide`.
    """
    secret = make_secret()
    token.digest, token.prefix, token.last4 = digest_of(secret), prefix_of(secret), secret[-4:]
    token.created_by = by.name
    token.full_clean(exclude=["owner"] if token.owner_id else None)
    check_bounds(token, by)
    token.save()
    return secret


def token_change(*, token: Token, by: Issuer, fields: Iterable[str]) -> None:
    """Save these changed fields of a token. Raises `TokenTooWide`."""
    check_bounds(token, by)
    token.save(update_fields=list(fields))


@transaction.atomic
def token_rotate(*, token: Token, by: Issuer, overlap: timedelta = OVERLAP) -> tuple[Token, str]:
    """Make the successor of a token, and return it with its secret; the old one lives on for `overlap`.

    Raises `TokenEnded` where there is nothing to rotate, and `TokenTooWide`.
    """
    old = Token.objects.select_for_update(of=("self",)).select_related("owner").get(pk=token.pk)
    now = timezone.now()
    if reason := end_of(old, now=now):
        raise TokenEnded(old.name, reason)
    if old.successor_id:
        raise TokenEnded(old.name, "rotated before")
    new = Token(
        name=old.name,
        owner=old.owner,
        scopes=old.scopes,
        domains=old.domains,
        networks=old.networks,
        max_unused_days=old.max_unused_days,
        expires_at=now + (old.expires_at - old.created_at) if old.expires_at else None,
    )
    if by.token and by.token.pk == old.pk:
        # A token that rotates itself goes on: its lifetime is what its owner has chosen.
        by = Issuer(by.name, by.user)
    elif by.token and by.token.expires_at:
        new.expires_at = min(new.expires_at or by.token.expires_at, by.token.expires_at)
    secret = token_create(token=new, by=by)
    old.successor = new
    old.expires_at = min(old.expires_at or now + overlap, now + overlap)
    old.save(update_fields=["successor", "expires_at"])
    for name in ("successor", "expires_at"):
        setattr(token, name, getattr(old, name))
    return new, secret


def token_revoke(*, token: Token, by: str) -> bool:
    """End a token now; False where it was revoked already."""
    now = timezone.now()
    revoked = Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now, revoked_by=by)
    token.refresh_from_db(fields=["revoked_at", "revoked_by"])
    return bool(revoked)


def token_of(secret: str) -> Token | None:
    """The token with this secret, valid or not, with its owner: one look-up by index, or none."""
    if not is_well_formed(secret):
        return None
    digest = digest_of(secret)
    token = Token.objects.select_related("owner").filter(digest=digest).first()
    return token if token and hmac.compare_digest(token.digest, digest) else None


def token_used(*, token: Token, now: datetime) -> None:
    """Note that it was used, once a minute."""
    if token.last_used_at is None or token.last_used_at <= now - NOTED_EVERY:
        Token.objects.filter(pk=token.pk).update(last_used_at=now)
        token.last_used_at = now


def end_of(token: Token, *, now: datetime) -> str:
    """Why a token is over, as a word or two; "" where it is not. Pure."""
    if token.revoked_at:
        return "revoked"
    if token.expires_at and token.expires_at <= now:
        return "expired"
    if token.max_unused_days:
        used = token.last_used_at or token.created_at
        if used <= now - timedelta(days=token.max_unused_days):
            return f"unused for {token.max_unused_days} days"
    return ""


def refusal_of(token: Token, *, now: datetime, address: str) -> str:
    """Why a token may not be used now and from there; "" where it may. Pure."""
    if reason := end_of(token, now=now):
        return reason
    if not token.owner.is_active:
        return "its owner is not active"
    if token.networks and not is_within(address, token.networks):
        return "from another network"
    return ""


def check_bounds(token: Token, by: Issuer) -> None:
    """Raise `TokenTooWide` where a token could do more than whoever makes it."""
    if by.user is not None and token.owner_id != by.user.pk and not may_act_for(by.user, token.owner):
        raise TokenTooWide(f"{token.owner} has rights that {by.user} has not.")
    if by.token is None:
        return
    if more := sorted(set(token.scopes) - set(by.token.scopes)):
        raise TokenTooWide(f"The token that makes it has not the scope {more[0]}.")
    if by.token.domains and not lies_in(token.domains, by.token.domains):
        raise TokenTooWide("The token that makes it is limited to other domains.")
    if by.token.networks and not _lie_in(token.networks, by.token.networks):
        raise TokenTooWide("The token that makes it is limited to other networks.")
    if by.token.expires_at and not (token.expires_at and token.expires_at <= by.token.expires_at):
        raise TokenTooWide("The token that makes it expires sooner.")
    rest = by.token.max_unused_days
    if rest and not (token.max_unused_days and token.max_unused_days <= rest):
        raise TokenTooWide("The token that makes it may rest for fewer days.")


def may_act_for(user: Any, other: Any) -> bool:
    """Whether `user` has every right that `other` has."""
    if user.is_superuser:
        return True
    return not other.is_superuser and other.get_all_permissions() <= user.get_all_permissions()


def lies_in(domains: Collection[str], wider: Collection[str]) -> bool:
    """Whether a token for these domains touches nothing but the wider ones; one for no domain touches all."""
    return bool(domains) and set(domains) <= set(wider)


def _lie_in(networks: list[str], wider: list[str]) -> bool:
    outer = [ipaddress.ip_network(network) for network in wider]
    inner = [ipaddress.ip_network(network) for network in networks]
    return bool(inner) and all(
        any(net.version == out.version and net.subnet_of(out) for out in outer)  # type: ignore[arg-type]
        for net in inner
    )
