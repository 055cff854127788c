"""Certificate authorities."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from api.filters import refuse_unknown
from api.serializers import ModelSerializer, Serializer
from api.viewsets import ResourceViewSet
from certificates.admin.authorities import authority_line
from certificates.admin.directories import authority_test
from certificates.api import examples
from certificates.models import Authority, AuthorityAccount
from certificates.services.external_accounts import (
    external_account_has,
    external_account_problem,
    external_account_set,
)
from edge.api.serializers import LineSerializer


class AccountSerializer(ModelSerializer[AuthorityAccount]):
    class Meta:
        model = AuthorityAccount
        fields = ["staging", "url"]
        read_only_fields = fields


class AuthoritySerializer(ModelSerializer[Authority]):
    """`eab_key` goes in and never comes out."""

    eab_key = serializers.CharField(
        write_only=True,
        required=False,
        allow_blank=True,
        max_length=2000,
        help_text="The HMAC key of the external account, base64url. Left out: as it is.",
    )
    has_eab_key = serializers.SerializerMethodField()
    state = serializers.SerializerMethodField()
    accounts = AccountSerializer(many=True, read_only=True)

    class Meta:
        model = Authority
        fields = [
            *("name", "enabled", "position", "directory_url", "staging_url", "contact", "terms_agreed"),
            *("eab_kid", "eab_key", "has_eab_key", "trust", "profile", "max_names"),
            *("state", "accounts", "created_at", "updated_at"),
        ]
        read_only_fields = ["created_at", "updated_at"]

    def get_has_eab_key(self, authority: Authority) -> bool:
        """Whether the key of an external account is kept."""
        return bool(authority.eab_key)

    @extend_schema(responses=LineSerializer)
    def get_state(self, authority: Authority) -> dict[str, str]:
        """Whether it is asked, and what is wrong with it."""
        line = authority_line(authority)
        return {"tone": line.tone, "sentence": line.sentence}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        key = attrs.pop("eab_key", "")
        attrs = super().validate(attrs)
        before = self.instance
        if before is not None and attrs.get("name", before.name) != before.name:
            raise ValidationError({"name": ["Its secrets are sealed for its name, which it keeps."]})
        kid = attrs.get("eab_kid", before.eab_kid if before else "")
        has_key = bool(key or (kid and before and before.eab_key))
        if problem := external_account_problem(kid=kid, key=has_key, entered=key):
            raise ValidationError({name: [said] for name, said in problem.items()})
        return {**attrs, "eab_key": key}

    def create(self, validated_data: dict[str, Any]) -> Authority:
        key = validated_data.pop("eab_key")
        authority = Authority(**validated_data)
        external_account_set(authority=authority, key=key)
        authority.save()
        return authority

    def update(self, instance: Authority, validated_data: dict[str, Any]) -> Authority:
        key = validated_data.pop("eab_key")
        sealed = instance.eab_key
        changed = {name: value for name, value in validated_data.items() if getattr(instance, name) != value}
        for name, value in changed.items():
            setattr(instance, name, value)
        new = key if key and not external_account_has(authority=instance, key=key) else ""
        external_account_set(authority=instance, key=new)
        if changed or instance.eab_key != sealed:
            self.save_changes(instance, [*changed, "eab_key"])
        return instance


class TestedSerializer(Serializer):
    ok = serializers.BooleanField(help_text="Whether it can be used as the authority is set up now.")
    sentence = serializers.CharField()


class TestedAllSerializer(Serializer):
    results = TestedSerializer(many=True, help_text="Its directory, and that of its staging environment.")


class AuthorityViewSet(ResourceViewSet):
    """Who issues certificates; the first enabled one is asked first, and the next where it keeps failing."""

    resource = "authorities"
    queryset = Authority.objects.prefetch_related("accounts")
    serializer_class = AuthoritySerializer
    lookup_field = "name"
    put_creates = True
    asks_others = ["test"]
    filterset_fields = ["enabled"]
    search_fields = ["name", "directory_url"]
    ordering = ["position", "name"]
    ordering_fields = ["name", "position"]
    #: What has been learnt of it.
    unversioned = ["state", "accounts"]
    example = examples.AUTHORITY
    examples = {"test": {"response": examples.TESTED}}

    @extend_schema(request=None, responses=TestedAllSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Fetch its directories now, and nothing else."""
        refuse_unknown(request, set())
        authority = self.get_object()
        self.check_preconditions(authority)
        found = authority_test(authority=authority)
        return Response(TestedAllSerializer({"results": found}).data)
