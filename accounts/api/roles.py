"""Roles in the API."""

from typing import Any

from django.contrib.auth.models import Group, Permission
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied

from accounts.api.fields import RightField
from accounts.roles import ROLES
from api.serializers import ModelSerializer
from api.viewsets import ResourceViewSet


class RoleSerializer(ModelSerializer[Group]):
    about = serializers.SerializerMethodField()
    permissions = RightField(queryset=Permission.objects.all(), many=True, required=False)

    class Meta:
        model = Group
        fields = ["name", "about", "permissions"]

    def get_about(self, group: Group) -> str:
        """What it is for; "" for a group of your own."""
        return ROLES.get(group.name, "")


class RoleViewSet(ResourceViewSet):
    """Roles: viewer, operator, administrator, which Cirrus keeps, and groups of your own."""

    resource = "users"
    queryset = Group.objects.prefetch_related("permissions__content_type")
    serializer_class = RoleSerializer
    lookup_field = "name"
    put_creates = True
    ordering = ["name"]
    example = {
        "name": "purgers",
        "about": "",
        "permissions": ["domains.view_domain", "edge.add_purge", "edge.view_purge"],
    }

    def perform_create(self, serializer: Any) -> Any:
        self._check(serializer.validated_data["name"])
        return serializer.save()

    def perform_update(self, serializer: Any) -> Any:
        self._check(serializer.instance.name)
        return serializer.save()

    def perform_destroy(self, row: Group) -> None:
        self._check(row.name)
        row.delete()

    def _check(self, name: str) -> None:
        if not self.request.user.is_superuser:
            raise PermissionDenied("A role is a set of rights: only a superuser may write one.")
        if name in ROLES:
            raise PermissionDenied(f"Cirrus keeps the role {name}; make a group of your own.")
