"""Who may do what: the token's scope, the token's domains, and the rights of its owner must all allow it.

The rights are Django's permissions, the same that the admin asks for; accounts/roles.py says who has which.
"""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import MethodNotAllowed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from api.credentials import credential_of, limits_of
from api.scopes import READ, WRITE

#: The verb of Django's permission for each action of a viewset that has no line in its `action_rights`.
VERBS = {
    "list": "view",
    "retrieve": "view",
    "create": "add",
    "update": "change",
    "partial_update": "change",
    "destroy": "delete",
}


class ScopeAndRights(BasePermission):
    """Asks a viewset for its `resource`, its `domain_path` and its `action_rights`.

    `domain_path` is where the host name of a row's domain is, as in a filter (`domain__host`); None:
    it belongs to no domain, so that a token that is limited to domains may not touch it; "": the view
    looks at the limits itself.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if view.action is None:
            raise MethodNotAllowed(str(request.method))
        if not request.user or not request.user.is_authenticated:
            return False
        self._check_credential(request, view)
        for right in rights_for(request, view):
            require_right(request, right)
        return True

    def _check_credential(self, request: Request, view: Any) -> None:
        credential = credential_of(request)
        if credential is None:
            return
        scope = scope_for(request, view)
        if scope and not credential.allows(scope):
            raise PermissionDenied(f"This token has not the scope {scope}.")
        if credential.hosts and view.domain_path is None:
            raise PermissionDenied("This token is limited to some domains; this is not part of a domain.")


def scope_for(request: Request, view: Any) -> str:
    """The scope that a request needs: `nodes:read`; "" where none is."""
    if not view.resource:
        return ""
    resource = view.action_resources.get(view.action, view.resource)
    return f"{resource}:{READ if request.method in SAFE_METHODS else WRITE}"


def rights_for(request: Request, view: Any) -> list[str]:
    """The permissions that a request needs: `nodes.change_node`."""
    return rights_of_action(view, view.action, safe=request.method in SAFE_METHODS)


def rights_of_action(view: Any, action: str, *, safe: bool) -> list[str]:
    """The permissions that an action of a viewset needs. One that is not named here views, or changes."""
    if action in view.action_rights:
        return list(view.action_rights[action])
    if view.queryset is None:
        return []
    meta = view.queryset.model._meta
    return [f"{meta.app_label}.{VERBS.get(action, 'view' if safe else 'change')}_{meta.model_name}"]


def require_right(request: Request, right: str) -> None:
    """Raise `PermissionDenied` where the user has not this permission."""
    if not request.user.has_perm(right):
        raise PermissionDenied(f"{request.user.get_username()} has not the right {right}.")


def require_host(request: Request, *hosts: str) -> None:
    """Raise `PermissionDenied` where the token is limited to other domains than these.

    Ask before anything is looked up by these names: who is told “it is taken” for one name and “not for you”
    for another one has learnt which of them there is.
    """
    require_owned(request, {host: host for host in hosts})


def require_owned(request: Request, owners: Mapping[str, str]) -> None:
    """Raise `PermissionDenied` where a limited token names what is of none of its domains.

    `owners`: name → host of the domain that it is of; "": of none. Other people's names and names of nobody
    are told alike.
    """
    limits = limits_of(request)
    if limits and (outside := sorted(name for name, host in owners.items() if host not in limits)):
        raise PermissionDenied(f"This token is not for {', '.join(outside)}.")
