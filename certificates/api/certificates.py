"""Certificates: uploaded here, looked at, taken along as a file; and when they end."""

import base64
import binascii
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from api import dry_run
from api.credentials import limits_of
from api.errors import InvalidQuery
from api.filters import FilterSet, refuse_unknown
from api.permissions import require_owned
from api.serializers import ModelSerializer, Serializer
from api.viewsets import BaseViewSet, ReadMixin
from certificates.admin.calendar import endings
from certificates.api import examples
from certificates.checks.apart import read_pem_apart, read_pkcs12_apart
from certificates.checks.errors import CertificateRefused
from certificates.checks.material import Material
from certificates.checks.pem import LONGEST
from certificates.deployment.uploading import (
    Uploaded,
    certificate_upload,
    domain_of,
    domains_covered,
    owners_of,
)
from certificates.models import Certificate, Enrollment
from domains.hostnames import searched_hostname
from domains.models import Domain

#: How an enrollment may use a certificate.
USES = ("current", "candidate", "previous")
#: Days, for the calendar: more than any certificate lives.
EVER = 100_000
#: Characters of a PKCS#12 file in base64.
LONGEST_BASE64 = LONGEST * 4 // 3 + 4


class ServedSerializer(Serializer):
    """What a handshake with an edge has shown."""

    node = serializers.CharField()
    ok = serializers.BooleanField()
    why = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)


class UseSerializer(Serializer):
    host = serializers.CharField()
    use = serializers.ChoiceField(choices=USES)


class CertificateSerializer(ModelSerializer[Certificate]):
    authority = serializers.CharField(source="authority.name", allow_null=True, default=None)
    names = serializers.ListField(child=serializers.CharField())
    used_by = UseSerializer(many=True)
    served = serializers.SerializerMethodField()

    class Meta:
        model = Certificate
        fields = [
            *("id", "names", "source", "issuer", "authority", "staging", "key_type"),
            *("not_before", "not_after", "fingerprint", "serial", "used_by", "served"),
            *("revoked_at", "revocation_reason", "created_at"),
        ]
        read_only_fields = fields

    @extend_schema_field(ServedSerializer(many=True))
    def get_served(self, certificate: Certificate) -> Any:
        """What handshakes with the edges have shown, by node."""
        rows = [_served(node, said) for node, said in sorted(certificate.served.items())]
        return ServedSerializer(rows, many=True).data


class UploadSerializer(Serializer):
    """A certificate with its chain and key, as PEM or as PKCS#12."""

    domains = serializers.ListField(
        child=serializers.CharField(max_length=253),
        default=list,
        max_length=1000,
        help_text="Host names. Empty: every domain of which it has all names.",
    )
    certificate = serializers.CharField(
        required=False,
        max_length=LONGEST,
        trim_whitespace=False,
        help_text="The chain as PEM, in any order; the key may stand in it too.",
    )
    key = serializers.CharField(
        required=False,
        max_length=LONGEST,
        trim_whitespace=False,
        help_text="The private key as PEM. It is sealed before it is stored.",
    )
    pkcs12 = serializers.CharField(
        required=False, max_length=LONGEST_BASE64, help_text="All of it as PKCS#12, in base64."
    )
    password = serializers.CharField(
        default="", allow_blank=True, max_length=1000, trim_whitespace=False, help_text="Of key or PKCS#12."
    )
    confirmed = serializers.BooleanField(
        default=False, help_text="Also where it is older than what is served, or lacks names of a domain."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("certificate" in attrs) == ("pkcs12" in attrs):
            raise ValidationError(["Send either `certificate` (and `key`) or `pkcs12`."])
        return attrs


class UploadedSerializer(Serializer):
    certificate = CertificateSerializer()
    domains = serializers.ListField(
        child=serializers.CharField(), help_text="Whose edges serve it, or will soon."
    )
    notes = serializers.ListField(child=serializers.CharField(), help_text="What to know about it.")


class ChainSerializer(Serializer):
    pem = serializers.CharField(help_text="The certificate first, without the root.")


class EndingSerializer(Serializer):
    """One domain's certificate. `left`: of its life; `late`: it should have been renewed."""

    host = serializers.CharField()
    not_before = serializers.DateTimeField()
    not_after = serializers.DateTimeField()
    left = serializers.FloatField()
    late = serializers.BooleanField()
    uploaded = serializers.BooleanField(help_text="Nobody renews it by itself.")


class CalendarSerializer(Serializer):
    results = EndingSerializer(many=True)


class CertificateFilter(FilterSet):
    host = django_filters.CharFilter(method="by_host", label="Made for this domain alone.")
    ends_before = django_filters.IsoDateTimeFilter(field_name="not_after", lookup_expr="lt")
    revoked = django_filters.BooleanFilter(field_name="revoked_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = Certificate
        fields = ["source", "staging", "fingerprint", "serial"]

    def by_host(self, certificates: Any, _: str, host: str) -> Any:
        return certificates.filter(enrollment__domain__host=searched_hostname(host))


class CertificateViewSet(ReadMixin, BaseViewSet):
    """Certificates that were issued or uploaded. A token for some domains sees those made for them alone."""

    resource = "certificates"
    queryset = Certificate.objects.select_related("authority").defer("chain", "key")
    serializer_class: Any = CertificateSerializer
    lookup_field = "id"
    lookup_value_regex = "[0-9]{1,18}"
    domain_path = "enrollment__domain__host"
    filterset_class = CertificateFilter
    search_fields = ["names", "issuer", "serial", "fingerprint"]
    ordering = ["not_after"]
    ordering_fields = ["not_after", "created_at"]
    unversioned = ["served", "used_by"]
    rehearsed = ["create"]
    action_rights = {"create": ["certificates.add_certificate", "certificates.change_enrollment"]}
    example = examples.CERTIFICATE
    examples = {
        "create": examples.UPLOAD,
        "chain": {"response": examples.CHAIN},
        "calendar": {"response": examples.CALENDAR},
    }

    def paginate_queryset(self, queryset: Any) -> Any:
        return with_uses(super().paginate_queryset(queryset) or [])

    def get_object(self) -> Any:
        return with_uses([super().get_object()])[0]

    @extend_schema(request=UploadSerializer, responses={201: UploadedSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Upload one: it is judged, and tried on one edge before the others have it."""
        asked = UploadSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            return self._upload(asked.validated_data)
        except CertificateRefused as error:
            if error.confirmable:
                raise
            raise ValidationError({_field(error.field, asked.validated_data): [str(error)]}) from error

    @extend_schema(responses=ChainSerializer)
    @action(detail=True, methods=["get"])
    def chain(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The certificate with its chain."""
        refuse_unknown(request, set())
        return Response({"pem": self.get_object().chain})

    @extend_schema(
        responses=CalendarSerializer,
        filters=False,
        parameters=[OpenApiParameter("days", {"type": "integer", "minimum": 0, "maximum": EVER})],
    )
    @action(detail=False, methods=["get"], pagination_class=None)
    def calendar(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """When the certificates of all domains end, the first one first; within so many `days`."""
        refuse_unknown(request, {"days"})
        text = request.query_params.get("days", str(EVER))
        if not (text.isascii() and text.isdecimal() and int(text[:7]) <= EVER):
            raise InvalidQuery({"days": f"It is a number from 0 to {EVER}."})
        hosts, now = limits_of(request), timezone.now()
        before = now + timedelta(days=int(text[:7]))
        rows = [
            each
            for each in _endings(now)
            if each["not_after"] <= before and (not hosts or each["host"] in hosts)
        ]
        return Response(CalendarSerializer({"results": rows}).data)

    def _upload(self, asked: dict[str, Any]) -> Response:
        material = _material(asked)
        domains = self._domains(asked["domains"], material)

        def change() -> Any:
            return certificate_upload(material=material, domains=domains, confirmed=asked["confirmed"])

        return dry_run.answered(self.request, change, self._uploaded)

    def _uploaded(self, done: Uploaded) -> Response:
        (certificate,) = with_uses([done.certificate])
        body = {
            "certificate": dict(CertificateSerializer(certificate).data),
            "domains": [domain.host for domain in done.domains],
            "notes": [*done.notes],
        }
        headers = {"Location": self.address_of(certificate)}
        return Response(body, status.HTTP_201_CREATED, headers=headers)

    def _domains(self, hosts: Sequence[str], material: Material) -> list[Domain]:
        limits = limits_of(self.request)
        if limits and hosts:
            require_owned(self.request, owners_of(hosts))
        found = list(dict.fromkeys(map(domain_of, hosts))) if hosts else domains_covered(material)
        if not hosts and limits:
            found = [domain for domain in found if domain.host in limits]
        if not found:
            raise CertificateRefused("There is no domain of which it has all names.", field="domains")
        return found


def with_uses(certificates: list[Any]) -> list[Any]:
    """The same, each with who uses it: a query for each way of using one."""
    found: dict[int, list[dict[str, str]]] = {certificate.pk: [] for certificate in certificates}
    for use in USES if certificates else ():
        rows = Enrollment.objects.filter(**{f"{use}__in": [*found]}).order_by("domain__host")
        for pk, host in rows.values_list(use, "domain__host"):
            found[pk].append({"host": host, "use": use})
    for certificate in certificates:
        certificate.used_by = found[certificate.pk]
    return certificates


def _served(node: str, said: dict[str, Any]) -> dict[str, Any]:
    at = said.get("at")
    moment = datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else None
    return {"node": node, "ok": bool(said.get("ok")), "why": str(said.get("why") or ""), "at": moment}


def _endings(now: datetime) -> Iterable[dict[str, Any]]:
    for ending in endings():
        left = ending.life.share_left(now)
        yield {
            "host": searched_hostname(ending.host),
            "not_before": ending.life.begin,
            "not_after": ending.life.end,
            "left": max(0.0, left),
            "late": left < 1 / 5,
            "uploaded": ending.uploaded,
        }


def _material(asked: dict[str, Any]) -> Material:
    password = asked["password"]
    if "pkcs12" in asked:
        try:
            data = base64.b64decode(asked["pkcs12"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValidationError({"pkcs12": ["This is not base64."]}) from error
        return read_pkcs12_apart(data, password=password)
    return read_pem_apart(asked["certificate"].encode(), asked.get("key", "").encode(), password=password)


def _field(field: str, asked: dict[str, Any]) -> str:
    if field in ("names", "domains"):
        return "domains"
    if field != "password" and "pkcs12" in asked:
        return "pkcs12"
    return field if field in ("password", "key") else "certificate"
