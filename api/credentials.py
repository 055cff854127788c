"""What the API must know of whoever calls. A token is one; a session of the portal has none (`None`).

The scopes and the domains of a credential only narrow what its user may do.
"""

from typing import Any, Protocol, runtime_checkable

from rest_framework.request import Request


@runtime_checkable
class Credential(Protocol):
    """What `request.auth` is."""

    #: Whose it is, for throttles and idempotency keys: `token:17`.
    key: str
    #: What people call it.
    name: str

    def allows(self, scope: str) -> bool:
        """Whether it has this scope (`nodes:read`)."""

    @property
    def hosts(self) -> frozenset[str]:
        """The domains it is limited to, by host name; empty: it is not limited."""


def credential_of(request: Request) -> Credential | None:
    """The credential of a request; None for a session of the portal."""
    return request.auth if isinstance(request.auth, Credential) else None


def limits_of(request: Request) -> frozenset[str]:
    """The hosts that the token of a request is limited to; empty: it is not limited."""
    credential = credential_of(request)
    return credential.hosts if credential else frozenset()


def caller_of(request: Request) -> str:
    """Who calls, in one word that nobody else has: `token:17`, `user:3`; "" for nobody."""
    if credential := credential_of(request):
        return credential.key
    user: Any = request.user
    return f"user:{user.pk}" if user and user.is_authenticated else ""


def who(request: Request) -> str:
    """Who calls, for timelines and logs: the user's name."""
    return str(request.user.get_username())


def by_what(request: Request) -> str:
    """What a change was made by, for histories: `by the API, token “deploy of the shop”`."""
    credential = credential_of(request)
    return f"by the API, token “{credential.name}”" if credential else "by the API"
