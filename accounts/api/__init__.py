"""Tokens, people and roles in the API."""

from accounts.api.roles import RoleViewSet
from accounts.api.tokens import TokenViewSet
from accounts.api.users import UserViewSet

__all__ = ["RoleViewSet", "TokenViewSet", "UserViewSet"]
