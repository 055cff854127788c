"""Tokens in the API."""

from datetime import timedelta
from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Token, User, a_year_from_now
from accounts.tokens import (
    Issuer,
    check_bounds,
    end_of,
    lies_in,
    token_change,
    token_create,
    token_revoke,
    token_rotate,
)
from api.credentials import credential_of, who
from api.filters import FilterSet
from api.scopes import SCOPES
from api.serializers import ModelSerializer, Serializer
from api.viewsets import ResourceViewSet

#: How long a rotated token may live on, in hours.
MAX_OVERLAP = 24 * 30

#: How the OpenAPI document shows one.
TOKEN: dict[str, Any] = {
    "id": 7,
    "name": "deploy of the shop",
    "owner": "olga",
    "scopes": ["domains:read", "purges:write"],
    "domains": ["shop.example.com"],
    "networks": ["192.0.2.0/24"],
    "expires_at": "2027-11-24T10:00:00Z",
    "max_unused_days": 90,
    "state": "active",
    "prefix": "cirrus_3fXq",
    "last4": "9aQz",
    "last_used_at": "2026-11-24T10:00:00Z",
    "created_at": "2026-11-24T09:00:00Z",
    "created_by": "olga",
    "revoked_at": None,
    "revoked_by": "",
    "successor": None,
}
ASKED = {name: TOKEN[name] for name in ("name", "scopes", "domains", "networks", "max_unused_days")}
SECRET = "cirrus_3fXq…9aQz"  # noqa: S105


class OwnerField(serializers.SlugRelatedField[User]):
    """A person by name; whoever asks, where nobody is named."""

    default_error_messages = {"does_not_exist": "There is no user “{value}”."}

    def __init__(self) -> None:
        super().__init__(slug_field="username", queryset=User.objects.all(), required=False)


class TokenSerializer(ModelSerializer[Token]):
    owner = OwnerField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPES), allow_empty=False)
    domains = serializers.ListField(child=serializers.CharField(max_length=253), required=False)
    networks = serializers.ListField(child=serializers.CharField(max_length=50), required=False)
    successor = serializers.IntegerField(source="successor_id", read_only=True, allow_null=True)
    state = serializers.SerializerMethodField()

    class Meta:
        model = Token
        fields = [
            *("id", "name", "owner", "scopes", "domains", "networks", "expires_at", "max_unused_days"),
            *("state", "prefix", "last4", "last_used_at", "created_at", "created_by"),
            *("revoked_at", "revoked_by", "successor"),
        ]
        read_only_fields = [
            *("prefix", "last4", "last_used_at", "created_at", "created_by", "revoked_at", "revoked_by"),
        ]

    def get_state(self, token: Token) -> str:
        """`active`, or why it is over."""
        return end_of(token, now=timezone.now()) or "active"

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is None:
            attrs = {**self._of_issuer(attrs), **attrs}
        elif attrs.setdefault("owner", self.instance.owner) != self.instance.owner:
            raise ValidationError({"owner": ["A token keeps its owner: make a new one."]})
        return super().validate(attrs)

    def _of_issuer(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Owner and ends of a new token where the document leaves them out."""
        issuer = self.context["view"].issuer()
        if "owner" not in attrs and issuer.user is None:
            raise ValidationError({"owner": ["Whose token is it? Name a user."]})
        ends = [a_year_from_now()]
        if issuer.token and issuer.token.expires_at:
            ends.append(issuer.token.expires_at)
        unused = issuer.token.max_unused_days if issuer.token else None
        return {"owner": issuer.user, "expires_at": min(ends), "max_unused_days": unused}

    def _defaults(self, attrs: dict[str, Any]) -> dict[str, Any]:
        defaults = super()._defaults(attrs)
        if self.instance is not None:
            defaults.pop("expires_at", None)  # a year from each PUT would never end
        return defaults

    def uncleaned(self, attrs: dict[str, Any]) -> set[str]:
        return {"digest", "prefix", "last4", "created_by"}

    def insert(self, instance: Token) -> Token:
        view = self.context["view"]
        view.secret = token_create(token=instance, by=view.issuer())
        return instance

    def save_changes(self, instance: Token, changed: list[str]) -> None:
        token_change(token=instance, by=self.context["view"].issuer(), fields=changed)


class RotationSerializer(Serializer):
    overlap_hours = serializers.IntegerField(
        default=24, min_value=0, max_value=MAX_OVERLAP, help_text="How long the old secret lives on."
    )


class NewTokenSerializer(TokenSerializer):
    """The answer that makes a token: with the secret, once (a replay of the request has none)."""

    secret = serializers.CharField(read_only=True, required=False)

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "secret"]


class TokenFilter(FilterSet):
    owner = django_filters.CharFilter(field_name="owner__username")
    active = django_filters.BooleanFilter(method="filter_active", label="Neither revoked nor expired.")

    class Meta:
        model = Token
        fields = ["name"]

    def filter_active(self, tokens: Any, name: str, wanted: bool) -> Any:
        now = timezone.now()
        return tokens.alive(now) if wanted else tokens.exclude(pk__in=Token.objects.alive(now).values("pk"))


class TokenViewSet(ResourceViewSet):
    """Tokens. The secret is in the answer that makes one, and never again."""

    resource = "tokens"
    queryset = Token.objects.select_related("owner")
    serializer_class = TokenSerializer
    filterset_class = TokenFilter
    search_fields = ["name", "owner__username", "prefix", "last4"]
    ordering = ["-created_at"]
    ordering_fields = ["created_at", "name"]
    domain_path = ""  # a token for some domains sees, makes and ends tokens for these domains alone
    unversioned = ["last_used_at", "state"]
    lookup_value_regex = "[0-9]{1,18}"
    rehearsed = ["revoke"]
    secret = ""
    example = TOKEN
    examples = {
        "create": {"request": ASKED, "response": {**TOKEN, "last_used_at": None, "secret": SECRET}},
        "rotate": {
            "request": {"overlap_hours": 24},
            "response": {**TOKEN, "id": 8, "last_used_at": None, "secret": SECRET},
        },
        "revoke": {
            "response": {
                **TOKEN,
                "state": "revoked",
                "revoked_at": "2026-11-25T10:00:00Z",
                "revoked_by": "olga",
            }
        },
    }

    def get_queryset(self) -> Any:
        tokens = super().get_queryset()
        user, credential = self.request.user, credential_of(self.request)
        if not user.has_perm("accounts.manage_tokens"):
            tokens = tokens.filter(owner_id=user.pk)
        if credential and credential.hosts:
            limits = tokens.order_by().values_list("pk", "domains")
            tokens = tokens.filter(pk__in=[pk for pk, hosts in limits if lies_in(hosts, credential.hosts)])
        return tokens

    def issuer(self) -> Issuer:
        """Who asks, with the bounds of the token that was shown."""
        user, token = self.request.user, self.request.auth
        return Issuer(
            who(self.request),
            user if isinstance(user, User) else None,
            token if isinstance(token, Token) else None,
        )

    @extend_schema(responses={201: NewTokenSerializer})
    def create(self, request: Request) -> Response:
        """Make a token. Its secret is in this answer, and in no other."""
        return self._with_secret(super().create(request))

    def perform_destroy(self, row: Token) -> None:
        check_bounds(row, self.issuer())
        row.delete()

    @extend_schema(request=RotationSerializer, responses={201: NewTokenSerializer})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make its successor, which has a secret of its own; the old secret lives on for a while."""
        serializer = RotationSerializer(data=request.data or {})
        serializer.is_valid(raise_exception=True)
        overlap = timedelta(hours=serializer.validated_data["overlap_hours"])

        def change() -> Any:
            token, self.secret = token_rotate(token=self.locked(), by=self.issuer(), overlap=overlap)
            return token

        return self._with_secret(self.carry_out(change, status.HTTP_201_CREATED))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """End it now."""

        def change() -> Token:
            token: Token = self.locked()
            token_revoke(token=token, by=who(request))
            return token

        return self.carry_out(change)

    def _with_secret(self, response: Response) -> Response:
        if response.status_code == status.HTTP_201_CREATED:
            response.stored = dict(response.data)  # type: ignore[attr-defined]  # what a replay shows
            response.data = {**response.data, "secret": self.secret}
            response["Cache-Control"] = "no-store"
        return response
