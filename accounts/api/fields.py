"""Rights and roles by name."""

from typing import Any

from django.contrib.auth.models import Group, Permission
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


@extend_schema_field(str)
class RightField(serializers.RelatedField[Permission, str, str]):
    """A permission as `app.codename`."""

    default_error_messages = {"does_not_exist": "There is no right “{value}”; they are app.codename."}

    def get_queryset(self) -> Any:
        return Permission.objects.select_related("content_type")

    def to_internal_value(self, data: Any) -> Permission:
        app, _, codename = str(data).partition(".")
        found = self.get_queryset().filter(content_type__app_label=app, codename=codename).first()
        if found is None:
            self.fail("does_not_exist", value=data)
        return found

    def to_representation(self, value: Any) -> str:
        return f"{value.content_type.app_label}.{value.codename}"


class GroupField(serializers.SlugRelatedField[Group]):
    default_error_messages = {"does_not_exist": "There is no role “{value}”."}
