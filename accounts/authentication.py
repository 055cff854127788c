"""Tokens in `Authorization: Bearer …` (RFC 6750), for DRF.

From outside every failure looks the same; the log says which token it was and why, and never the secret.
"""

import hmac
import logging
from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.tokens import refusal_of, token_of, token_used
from api.clients import client_address

logger = logging.getLogger(__name__)

CHALLENGE = 'Bearer realm="cirrus"'


class MasterUser:
    """Who the master token is: nobody with a row, and nobody who may do anything but manage tokens."""

    is_authenticated = is_active = True
    is_anonymous = is_superuser = is_staff = False
    pk = None
    RIGHTS = frozenset(
        f"accounts.{right}"
        for right in ("view_token", "add_token", "change_token", "delete_token", "manage_tokens")
    )

    def has_perm(self, right: str, obj: Any = None) -> bool:
        return right in self.RIGHTS

    def get_username(self) -> str:
        return "master token"

    __str__ = get_username


class MasterCredential:
    """CIRRUS_MASTER_TOKEN."""

    key = "master"
    name = "master token"
    hosts: frozenset[str] = frozenset()

    def allows(self, scope: str) -> bool:
        return scope in ("tokens:read", "tokens:write")


class TokenAuthentication(BaseAuthentication):
    """Finds the token of a request with one look-up at most."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        secret, address, now = secret.strip(), client_address(request._request), timezone.now()
        if is_master(secret):
            return MasterUser(), MasterCredential()
        token = token_of(secret)
        reason = refusal_of(token, now=now, address=address) if token else "unknown"
        if token is None or reason:
            logger.warning("token %s refused for %s: %s", token.hint if token else "?", address, reason)
            raise AuthenticationFailed("This token is not valid here.")
        token_used(token=token, now=now)
        return token.owner, token

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def is_master(secret: str) -> bool:
    """Whether it is the master token; compared in constant time. Without a setting there is none."""
    master = settings.CIRRUS.master_token
    return bool(master) and hmac.compare_digest(secret.encode(), master.encode())
