"""Orders at authorities, and the names that wait because they have failed there."""

from typing import Any

import django_filters
from rest_framework import serializers

from api.filters import FilterSet, InFilter
from api.serializers import ModelSerializer
from api.viewsets import ReadViewSet
from certificates.api import examples
from certificates.models import Authorization, Backoff, Enrollment, Order
from domains.hostnames import searched_hostname


class AuthorizationSerializer(ModelSerializer[Authorization]):
    """What proves one name."""

    challenge_type = serializers.ChoiceField(
        choices=Enrollment.Challenge.choices, allow_blank=True, help_text="Empty: not chosen yet."
    )

    class Meta:
        model = Authorization
        fields = ["name", "wildcard", "challenge_type", "dns_name", "state"]
        read_only_fields = fields


class OrderSerializer(ModelSerializer[Order]):
    host = serializers.CharField(source="enrollment.domain.host")
    authority = serializers.CharField(source="authority.name")
    names = serializers.ListField(child=serializers.CharField())
    problem = serializers.DictField(allow_null=True, help_text="What the authority said (RFC 9457).")
    certificate = serializers.IntegerField(source="certificate_id", allow_null=True)
    authorizations = AuthorizationSerializer(many=True)

    class Meta:
        model = Order
        fields = [
            *("id", "host", "authority", "staging", "names", "state", "sentence", "problem"),
            *("authorizations", "certificate", "url", "certificate_url", "replaces"),
            *("created_at", "changed_at", "due_at", "expires_at", "ended_at"),
        ]
        read_only_fields = fields


class OrderFilter(FilterSet):
    host = django_filters.CharFilter(method="by_host", label="The host name of the domain.")
    authority = django_filters.CharFilter(field_name="authority__name")
    state__in = InFilter(field_name="state", lookup_expr="in")
    open = django_filters.BooleanFilter(field_name="ended_at", lookup_expr="isnull")

    class Meta:
        model = Order
        fields = ["state", "staging"]

    def by_host(self, orders: Any, _: str, host: str) -> Any:
        return orders.filter(enrollment__domain__host=searched_hostname(host))


class OrderViewSet(ReadViewSet):
    """What was ordered, the newest first: `state` ends as `issued` or `failed`, `sentence` says why."""

    resource = "certificates"
    queryset = (
        Order.objects.select_related("enrollment__domain", "authority")
        .prefetch_related("authorizations")
        .defer("key", "csr")
    )
    serializer_class = OrderSerializer
    lookup_field = "id"
    lookup_value_regex = "[0-9]{1,18}"
    domain_path = "enrollment__domain__host"
    filterset_class = OrderFilter
    search_fields = ["enrollment__domain__host"]
    ordering = ["-pk"]
    example = examples.ORDER


class BackoffSerializer(ModelSerializer[Backoff]):
    authority = serializers.CharField(source="authority.name")

    class Meta:
        model = Backoff
        fields = ["id", "name", "authority", "staging", "failures", "next_at", "problem"]
        read_only_fields = fields


class BackoffFilter(FilterSet):
    authority = django_filters.CharFilter(field_name="authority__name")

    class Meta:
        model = Backoff
        fields = ["name", "staging"]


class BackoffViewSet(ReadViewSet):
    """Names that have failed at an authority, and when they may be tried there again."""

    resource = "certificates"
    queryset = Backoff.objects.select_related("authority")
    serializer_class = BackoffSerializer
    lookup_field = "id"
    lookup_value_regex = "[0-9]{1,18}"
    filterset_class = BackoffFilter
    search_fields = ["name", "problem"]
    ordering = ["-next_at"]
    example = examples.BACKOFF
