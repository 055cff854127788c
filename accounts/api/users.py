"""People in the API."""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from accounts.api.fields import GroupField, RightField
from accounts.errors import RightsTooWide
from accounts.models import User
from accounts.services import check_may_touch, user_set_roles
from api.serializers import ModelSerializer
from api.viewsets import ResourceViewSet


class UserSerializer(ModelSerializer[User]):
    roles = GroupField(
        source="groups", slug_field="name", queryset=Group.objects.all(), many=True, required=False
    )
    permissions = RightField(
        source="user_permissions", queryset=Permission.objects.all(), many=True, required=False
    )
    password = serializers.CharField(
        write_only=True, required=False, max_length=128, help_text="Without one, only tokens let in."
    )

    #: What only a superuser hands out.
    RAISING = ("is_superuser", "is_staff", "user_permissions")

    class Meta:
        model = User
        fields = [
            *("username", "email", "first_name", "last_name", "is_active", "roles"),
            *("is_staff", "is_superuser", "permissions", "password", "last_login", "date_joined"),
        ]
        read_only_fields = ["last_login", "date_joined"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        password = attrs.pop("password", None)
        attrs = super().validate(attrs)
        if password is not None:
            try:
                validate_password(password, self.candidate(attrs))
            except DjangoValidationError as error:
                raise ValidationError({"password": error.messages}) from error
            attrs["password"] = password
        self._check_raising(attrs)
        return attrs

    def uncleaned(self, attrs: dict[str, Any]) -> set[str]:
        return {"password"}

    def insert(self, instance: User) -> User:
        self._set_password(instance, instance.password)
        instance.save()
        return instance

    def update(self, instance: User, validated_data: dict[str, Any]) -> User:
        check_may_touch(user=instance, by=self.context["request"].user)
        password = validated_data.pop("password", None)
        if password is not None and not instance.check_password(password):
            self._set_password(instance, password)
            instance.save(update_fields=["password"])
        return super().update(instance, validated_data)

    def save_related(self, instance: User, related: dict[str, Any]) -> None:
        groups = related.pop("groups", None)
        super().save_related(instance, related)
        if groups is not None:
            by = self.context["request"].user
            user_set_roles(user=instance, roles={group.name for group in groups}, by=by)

    def _set_password(self, user: User, password: str) -> None:
        if password:
            user.set_password(password)
        else:
            user.set_unusable_password()

    def _defaults(self, attrs: dict[str, Any]) -> dict[str, Any]:
        # Whether somebody may enter the portal follows their roles.
        return {name: value for name, value in super()._defaults(attrs).items() if name not in self.RAISING}

    def _check_raising(self, attrs: dict[str, Any]) -> None:
        by = self.context["request"].user
        for name in self.RAISING:
            if name in attrs and not by.is_superuser and self._differs(name, attrs[name]):
                raise RightsTooWide(f"Only a superuser may set {name}.")

    def _differs(self, name: str, value: Any) -> bool:
        if name == "user_permissions":
            return set(value) != (set(self.instance.user_permissions.all()) if self.instance else set())
        return bool(value) != bool(getattr(self.instance, name, False))


class UserViewSet(ResourceViewSet):
    """People who operate Cirrus. What they may do follows from their roles."""

    resource = "users"
    queryset = User.objects.prefetch_related("groups", "user_permissions__content_type")
    serializer_class = UserSerializer
    lookup_field = "username"
    filterset_fields = ["is_active", "is_superuser", "groups__name"]
    search_fields = ["username", "email", "first_name", "last_name"]
    ordering = ["username"]
    ordering_fields = ["username", "date_joined"]
    unversioned = ["last_login"]
    example = {
        "username": "olga",
        "email": "olga@example.com",
        "first_name": "Olga",
        "last_name": "Orlova",
        "is_active": True,
        "roles": ["operator"],
        "is_staff": True,
        "is_superuser": False,
        "permissions": [],
        "last_login": "2026-11-24T10:00:00Z",
        "date_joined": "2026-11-01T10:00:00Z",
    }

    def perform_destroy(self, row: User) -> None:
        check_may_touch(user=row, by=self.request.user)
        row.delete()
