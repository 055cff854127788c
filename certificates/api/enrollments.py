"""What certificate each domain is to have, how it stands with that, and what can be done about it."""

from typing import Any

import django_filters
from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from api.filters import FilterSet, refuse_unknown
from api.serializers import ModelSerializer, Serializer
from api.viewsets import BaseViewSet, ReadMixin, UpdateMixin
from certificates.admin.panel import domain_panel, names_by_dns
from certificates.api import examples
from certificates.api.certificates import ChainSerializer
from certificates.deployment.reverting import certificate_revert
from certificates.issuance.delegation import delegation_status
from certificates.issuance.revocation import REASONS
from certificates.models import Authority, Certificate, Enrollment
from certificates.services.next_steps import next_step
from certificates.services.requesting import certificate_request
from certificates.services.revoking import enrollment_revoke
from certificates.services.situations import open_order, with_plans
from certificates.staging import wake
from domains.hostnames import searched_hostname
from domains.models import Domain

#: Where orders are found.
ORDERS = "/api/v1/orders/"


class AuthorityField(serializers.SlugRelatedField[Authority]):
    """An authority by its name; null: the enabled ones in their order."""

    default_error_messages = {"does_not_exist": "There is no authority “{value}”."}

    def __init__(self) -> None:
        super().__init__(slug_field="name", queryset=Authority.objects.all(), allow_null=True, required=False)


class BriefSerializer(ModelSerializer[Certificate]):
    """A certificate in few words; all of it is at /certificates/{id}."""

    names = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Certificate
        fields = ["id", "names", "source", "issuer", "not_after", "fingerprint"]
        read_only_fields = fields
        ref_name = "CertificateInBrief"


class EnrollmentSerializer(ModelSerializer[Enrollment]):
    host = serializers.CharField(source="domain.host", read_only=True)
    authority = AuthorityField()
    current = BriefSerializer(read_only=True, allow_null=True)
    being_tried = BriefSerializer(source="candidate", read_only=True, allow_null=True)
    previous = BriefSerializer(read_only=True, allow_null=True)
    being_tried_on = serializers.CharField(source="candidate_node", read_only=True)
    order = serializers.SerializerMethodField()
    next_step = serializers.SerializerMethodField()

    class Meta:
        model = Enrollment
        fields = [
            *("host", "source", "authority", "challenge", "key_type"),
            *("current", "being_tried", "previous", "order", "next_step", "problem", "attempts"),
            *("first_failed_at", "issued_at", "requested_at", "next_attempt_at", "renew_at"),
            *("being_tried_on", "ari_start", "ari_end", "ari_check_at", "ari_explanation"),
        ]
        read_only_fields = [name for name in fields if name not in ("source", "challenge", "key_type")]

    def get_order(self, enrollment: Enrollment) -> int | None:
        """The order under way."""
        order = open_order(enrollment)
        return order.pk if order else None

    def get_next_step(self, enrollment: Enrollment) -> str:
        """What happens next and when, in a sentence."""
        return next_step(enrollment, now=timezone.now())

    def save_changes(self, instance: Enrollment, changed: list[str]) -> None:
        super().save_changes(instance, changed)
        transaction.on_commit(wake, robust=True)


class EdgeSerializer(Serializer):
    node = serializers.CharField()
    ok = serializers.BooleanField()
    sentence = serializers.CharField()

    class Meta:
        ref_name = "CertificateOnEdge"


class CertificateStatusSerializer(Serializer):
    """What is served, until when and where; `pending`: that changes soon."""

    tone = serializers.ChoiceField(choices=["ok", "pending", "refused", "off"])
    sentence = serializers.CharField()
    next_step = serializers.CharField()
    pending = serializers.BooleanField()
    edges = EdgeSerializer(many=True)
    problems = serializers.ListField(child=serializers.CharField())


class DelegationSerializer(Serializer):
    """How one name is proven by DNS. `needed`: its owner makes `record` a CNAME of `target`, once."""

    name = serializers.CharField()
    record = serializers.CharField()
    target = serializers.CharField()
    needed = serializers.BooleanField()
    found = serializers.BooleanField(help_text="Whether it can be proven now.")
    sentence = serializers.CharField()


class DelegationsSerializer(Serializer):
    results = DelegationSerializer(many=True)


class RevocationSerializer(Serializer):
    reason = serializers.ChoiceField(choices=[*REASONS], default="unspecified")
    reissue = serializers.BooleanField(default=True, help_text="Have another one issued, with a new key.")


class EnrollmentFilter(FilterSet):
    authority = django_filters.CharFilter(field_name="authority__name")
    failing = django_filters.BooleanFilter(method="by_failures", label="The last attempt has failed.")
    ends_before = django_filters.IsoDateTimeFilter(field_name="current__not_after", lookup_expr="lt")

    class Meta:
        model = Enrollment
        fields = ["source", "challenge", "key_type"]

    def by_failures(self, enrollments: Any, _: str, failing: bool) -> Any:
        return enrollments.filter(attempts__gt=0) if failing else enrollments.filter(attempts=0)


class EnrollmentViewSet(BaseViewSet, ReadMixin, UpdateMixin):
    """Each domain that serves HTTPS has one: its standing order for certificates."""

    resource = "certificates"
    queryset = with_plans(Enrollment.objects.all()).select_related("previous")
    serializer_class: Any = EnrollmentSerializer
    lookup_field = "domain__host"
    lookup_url_kwarg = "host"
    domain_path = "domain__host"
    asks_others = ["revoke"]
    filterset_class = EnrollmentFilter
    search_fields = ["domain__host", "domain__hostnames__name"]
    ordering = ["domain__host"]
    ordering_fields = ["domain__host"]
    #: Everything but the choices of the operator.
    unversioned = EnrollmentSerializer.Meta.fields[5:]
    example = examples.ENROLLMENT
    examples = {
        "status": {"response": examples.STATUS},
        "delegation": {"response": examples.DELEGATION},
        "issue": {"response": {**examples.ENROLLMENT, "order": 12}},
        "revert": {"response": examples.ENROLLMENT},
        "revoke": {
            "request": {"reason": "keyCompromise", "reissue": True},
            "response": examples.ENROLLMENT,
        },
        "chain": {"response": examples.CHAIN},
    }

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if "host" in self.kwargs:
            self.kwargs["host"] = searched_hostname(self.kwargs["host"])
        super().initial(request, *args, **kwargs)

    @extend_schema(responses=CertificateStatusSerializer)
    @action(detail=True, methods=["get"])
    def status(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What is served, until when, on which edges, what is wrong and what is next."""
        refuse_unknown(request, set())
        panel = domain_panel(self.get_object().domain, now=timezone.now())
        told: dict[str, Any] = {"tone": panel.line.tone, "sentence": panel.line.sentence}
        told |= {"next_step": panel.next, "pending": panel.pending}
        told |= {"edges": panel.edges, "problems": panel.problems}
        return Response(CertificateStatusSerializer(told).data)

    @extend_schema(responses=DelegationsSerializer)
    @action(detail=True, methods=["get"])
    def delegation(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The DNS records that its names need where they are proven by DNS; the resolvers are asked now."""
        refuse_unknown(request, set())
        enrollment = self.get_object()
        rows = delegation_status(enrollment.domain, names_by_dns(enrollment))
        return Response(DelegationsSerializer({"results": rows}).data)

    @extend_schema(responses=ChainSerializer)
    @action(detail=True, methods=["get"])
    def chain(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The certificate that is served, with its chain."""
        refuse_unknown(request, set())
        return Response({"pem": self._current().chain})

    @extend_schema(request=None, responses={202: EnrollmentSerializer})
    @action(detail=True, methods=["post"])
    def issue(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Have a new certificate ordered now. `Location` is the order; this address where there is none yet.

        None yet: nobody may be asked at this moment; `problem` says why, and it is tried again by itself.
        Where the certificate was uploaded, an authority takes over from now on.
        """
        refuse_unknown(request, set())
        domain: Domain = self._unchanged().domain
        order = certificate_request(domain=domain)
        row = self.get_object()
        where = f"{ORDERS}{order.pk}" if order else self.address_of(row)
        headers = {"Location": where, "Retry-After": "1"}
        return Response(dict(self.get_serializer(row).data), status.HTTP_202_ACCEPTED, headers=headers)

    @extend_schema(request=None, responses=EnrollmentSerializer)
    @action(detail=True, methods=["post"])
    def revert(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Serve the certificate before again, on all edges; the same step leads back."""
        refuse_unknown(request, set())
        certificate_revert(enrollment=self._unchanged())
        return Response(dict(self.get_serializer(self.get_object()).data))

    @extend_schema(request=RevocationSerializer, responses=EnrollmentSerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Have the authority revoke the certificate; it is served until another one has taken its place."""
        refuse_unknown(request, set())
        asked = RevocationSerializer(data=request.data or {})
        asked.is_valid(raise_exception=True)
        self._unchanged()
        enrollment_revoke(enrollment=self.get_object(), **asked.validated_data)
        return Response(dict(self.get_serializer(self.get_object()).data))

    def _unchanged(self) -> Enrollment:
        """The enrollment of this address, If-Match held; not locked, as authorities are asked meanwhile."""
        enrollment: Enrollment = self.get_object()
        self.check_preconditions(enrollment)
        return enrollment

    def _current(self) -> Certificate:
        enrollment = self.get_object()
        if enrollment.current is None:
            raise NotFound(f"{enrollment.domain.host} has no certificate.")
        current: Certificate = enrollment.current
        return current
