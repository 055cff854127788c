"""The parts of a domain as resources of their own, below its address."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from api.credentials import credential_of
from api.serializers import Serializer
from api.viewsets import ResourceViewSet
from domains.api import examples
from domains.api.serializers import AliasSerializer, OriginSerializer, RuleSerializer
from domains.hostnames import searched_hostname
from domains.models import CacheRule, Domain, HostName, Origin
from domains.services import rule_disable, rule_duplicate, rule_enable, rule_move

HOST = OpenApiParameter("host", OpenApiTypes.STR, OpenApiParameter.PATH, description="The domain.")


def domain_of_address(request: Request, host: str, *, lock: bool = False) -> Domain:
    """The domain with this host name. Raises `NotFound`, also where the token is not for it."""
    credential = credential_of(request)
    hidden = credential and credential.hosts and host not in credential.hosts
    rows = Domain.objects.select_for_update() if lock else Domain.objects.all()
    domain = None if hidden else rows.filter(host=host).first()
    if domain is None:
        raise NotFound(f"There is no domain “{host}”.")
    return domain


class PartViewSet(ResourceViewSet):
    """Rows of the domain in the address. Who may see the domain, may see them."""

    resource = "domains"
    domain_path = "domain__host"
    lookup_field = "id"
    lookup_value_regex = "[0-9]{1,18}"
    domain: Domain | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.kwargs["host"] = searched_hostname(self.kwargs["host"])
        super().initial(request, *args, **kwargs)
        self.read_domain()  # 404 before anything else is said

    def read_domain(self, *, lock: bool = False) -> None:
        """Note the domain of the address; locked while one of its parts is changed. Raises `NotFound`."""
        self.domain = domain_of_address(self.request, self.kwargs["host"], lock=lock)

    def carry_out(self, change: Callable[[], Any], code: int = status.HTTP_200_OK) -> Response:
        def under_lock() -> Any:
            self.read_domain(lock=True)
            return change()

        return super().carry_out(under_lock, code)

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(domain__host=self.kwargs.get("host", ""))

    def get_serializer_context(self) -> dict[str, Any]:
        context = super().get_serializer_context()
        return {**context, "domain": self.domain} if self.domain else {**context}

    def address_of(self, row: Any) -> str:
        names = {"host": self.kwargs["host"], self.lookup_field: getattr(row, self.lookup_field)}
        whole = str(self.reverse_action("detail", kwargs=names))
        return whole.removeprefix(self.request.build_absolute_uri("/")[:-1])

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().create(request)


def part(cls: type[PartViewSet]) -> type[PartViewSet]:
    """Says in the OpenAPI document what the address has beside the key."""
    names = ["list", "create", "retrieve", "update", "partial_update", "destroy"]
    names += [extra.__name__ for extra in cls.get_extra_actions()]
    return extend_schema_view(**{name: extend_schema(parameters=[HOST]) for name in names})(cls)


@part
class OriginViewSet(PartViewSet):
    """The servers that have the content of a domain."""

    queryset = Origin.objects.all()
    serializer_class = OriginSerializer
    ordering = ["pk"]
    example = examples.ORIGIN


@part
class AliasViewSet(PartViewSet):
    """The names of a domain beside its own."""

    queryset = HostName.objects.filter(primary=False)
    serializer_class = AliasSerializer
    lookup_field = "name"
    lookup_value_regex = "[^/]+"
    put_creates = True
    search_fields = ["name"]
    ordering = ["name"]
    ordering_fields = ["name"]
    example = {"name": "example.com"}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if "name" in self.kwargs:
            self.kwargs["name"] = searched_hostname(self.kwargs["name"])
        super().initial(request, *args, **kwargs)


class MoveSerializer(Serializer):
    """Where to: exactly one of the two."""

    before = serializers.IntegerField(required=False, min_value=1, help_text="The rule that comes after it.")
    after = serializers.IntegerField(required=False, min_value=1, help_text="The rule that comes before it.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise ValidationError(["Say either `before` or `after` which rule it is to come."])
        return attrs


@part
class RuleViewSet(PartViewSet):
    """The cache rules of a domain, in their order: the first one that fits is the only one that counts."""

    queryset = CacheRule.objects.prefetch_related("conditions")
    serializer_class = RuleSerializer
    filterset_fields = ["enabled"]
    search_fields = ["name"]
    ordering = ["position"]
    rehearsed = ["move", "duplicate", "enable", "disable"]
    action_rights = {"duplicate": ["domains.add_cacherule"]}
    example = examples.RULE
    examples = {
        "move": {"request": {"before": 3}, "response": {**examples.RULE, "position": 5}},
        "duplicate": {"response": {**examples.RULE, "id": 8, "name": "Copy of Images", "enabled": False}},
        "enable": {"response": examples.RULE},
        "disable": {"response": {**examples.RULE, "enabled": False}},
    }

    @extend_schema(request=MoveSerializer, responses=RuleSerializer)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Have it asked before or after another rule of the domain."""
        asked = MoveSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        ((side, pk),) = asked.validated_data.items()

        def change() -> CacheRule:
            rule: CacheRule = self.locked()
            other = self.get_queryset().filter(pk=pk).first()
            if other is None or other.pk == rule.pk:
                raise ValidationError({side: ["There is no other rule with this id in this domain."]})
            rule_move(rule=rule, **{side: other})
            return rule

        return self.carry_out(change)

    @extend_schema(request=None, responses={201: RuleSerializer})
    @action(detail=True, methods=["post"])
    def duplicate(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a disabled copy of it, behind the others."""
        return self.carry_out(lambda: rule_duplicate(rule=self.locked()), status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=RuleSerializer)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let it count."""
        return self._switch(rule_enable)

    @extend_schema(request=None, responses=RuleSerializer)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let it be as if it were not there."""
        return self._switch(rule_disable)

    def _switch(self, service: Any) -> Response:
        def change() -> CacheRule:
            rule: CacheRule = self.locked()
            service(rule=rule)
            return rule

        return self.carry_out(change)
