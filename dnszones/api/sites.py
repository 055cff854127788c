"""Where each domain is answered from, and who serves it and why."""

from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import InvalidQuery
from api.filters import refuse_unknown
from api.serializers import ModelSerializer, Serializer
from api.viewsets import BaseViewSet, ReadMixin, UpdateMixin
from dnszones.api import examples
from dnszones.inquiry import Fleet, FleetChange, Inquiry, domain_inquire, fleet_inquire, fleet_without
from dnszones.models import Site
from dnszones.services import override_problem, site_steer
from domains.hostnames import searched_hostname
from nodes.models import Node, Region

WITHOUT = OpenApiParameter("without", many=True, description="As if these nodes went down.")
#: What is saved of a site.
OVERRIDES = ("replicas", "ttl", "pinned", "excluded", "regions")


class NodeField(serializers.SlugRelatedField[Node]):
    default_error_messages = {"does_not_exist": "There is no node “{value}”."}


class RegionField(serializers.SlugRelatedField[Region]):
    default_error_messages = {"does_not_exist": "There is no region “{value}”."}


def nodes_field(help_text: str) -> Any:
    return NodeField(
        slug_field="name", queryset=Node.objects.all(), many=True, required=False, help_text=help_text
    )


class SiteSerializer(ModelSerializer[Site]):
    host = serializers.CharField(source="domain.host", read_only=True)
    access_name = serializers.CharField(read_only=True, help_text="What a CNAME is pointed at.")
    pinned = nodes_field("Only these nodes, while one of them can serve it.")
    excluded = nodes_field("Never these nodes.")
    regions = RegionField(
        slug_field="name",
        queryset=Region.objects.all(),
        many=True,
        required=False,
        help_text="Only nodes of these regions. Empty: all.",
    )

    class Meta:
        model = Site
        fields = ["host", "access_name", *OVERRIDES]

    def to_representation(self, instance: Site) -> dict[str, Any]:
        document = super().to_representation(instance)
        return {name: sorted(value) if isinstance(value, list) else value for name, value in document.items()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if not self.partial:
            attrs = {"pinned": [], "excluded": [], "regions": [], **attrs}
        if problem := override_problem(self._chosen(attrs, "pinned"), self._chosen(attrs, "excluded")):
            raise ValidationError({"excluded": [problem]})
        return attrs

    def update(self, instance: Site, validated_data: dict[str, Any]) -> Site:
        wanted = {name: self._chosen(validated_data, name) for name in OVERRIDES}
        if wanted != {name: self._chosen({}, name) for name in OVERRIDES}:
            site_steer(site=instance, **wanted)
        return instance

    def _chosen(self, attrs: dict[str, Any], name: str) -> Any:
        if name in ("replicas", "ttl"):
            return attrs[name] if name in attrs else getattr(self.instance, name)
        chosen = attrs[name] if name in attrs else getattr(self.instance, name).all()
        return sorted(set(chosen), key=lambda row: str(row))


class RowSerializer(Serializer):
    """What one node is to a site. `share`: of the sites, by weight; `verdict`: of both families."""

    node = serializers.CharField()
    region = serializers.CharField()
    state = serializers.CharField()
    weight = serializers.IntegerField()
    share = serializers.FloatField()
    place = serializers.IntegerField(allow_null=True)
    ipv4 = serializers.CharField()
    ipv6 = serializers.CharField()
    verdict = serializers.CharField()
    sentence = serializers.CharField()


class ExplanationSerializer(Serializer):
    host = serializers.CharField()
    names = serializers.ListField(child=serializers.CharField(), help_text="Where it is answered.")
    ipv4 = serializers.ListField(child=serializers.CharField(), help_text="Nodes, the first one first.")
    ipv6 = serializers.ListField(child=serializers.CharField())
    waiting = serializers.ListField(
        child=serializers.CharField(), help_text="Would answer, but do not have it."
    )
    sentences = serializers.ListField(child=serializers.CharField())
    without = serializers.ListField(child=serializers.CharField())
    taking_over = serializers.ListField(child=serializers.CharField())
    nodes = RowSerializer(many=True)

    class Meta:
        ref_name = "SteeringExplanation"


class LoadSerializer(Serializer):
    """`answering`: sites that are answered with it; `first`: of these, where it stands first."""

    node = serializers.CharField(source="node.name")
    region = serializers.CharField(source="node.region")
    state = serializers.CharField(source="node.state")
    weight = serializers.IntegerField(source="node.weight")
    answering = serializers.IntegerField(source="sites")
    first = serializers.IntegerField()
    share = serializers.FloatField(help_text="Of all first places.")
    fair = serializers.FloatField(source="expected", help_text="What its weight says.")


class GainSerializer(Serializer):
    node = serializers.CharField()
    sites = serializers.IntegerField()


class ChangeSerializer(Serializer):
    """What would move without some nodes."""

    sentence = serializers.CharField()
    moved = serializers.IntegerField()
    gaining = GainSerializer(many=True)
    notes = serializers.ListField(child=serializers.CharField())

    class Meta:
        ref_name = "SteeringChange"


class SummarySerializer(Serializer):
    sites = serializers.IntegerField()
    nodes = LoadSerializer(many=True)
    notes = serializers.ListField(child=serializers.CharField())
    without = serializers.ListField(child=serializers.CharField())
    change = ChangeSerializer(allow_null=True)

    class Meta:
        ref_name = "SteeringSummary"


class SiteViewSet(BaseViewSet, ReadMixin, UpdateMixin):
    """Each domain has one as soon as a zone gives access names: how its nodes are chosen."""

    resource = "zones"
    queryset = (
        Site.objects.filter(domain__isnull=False)
        .select_related("domain", "zone")
        .prefetch_related("pinned", "excluded", "regions")
    )
    serializer_class: Any = SiteSerializer
    lookup_field = "domain__host"
    lookup_url_kwarg = "host"
    domain_path = "domain__host"
    search_fields = ["domain__host", "label"]
    ordering = ["domain__host"]
    ordering_fields = ["domain__host"]
    example = examples.SITE
    examples = {
        "explain": {"response": examples.EXPLANATION},
        "summary": {"response": examples.SUMMARY},
    }

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if "host" in self.kwargs:
            self.kwargs["host"] = searched_hostname(self.kwargs["host"])
        super().initial(request, *args, **kwargs)

    @extend_schema(responses=ExplanationSerializer, parameters=[WITHOUT])
    @action(detail=True, methods=["get"])
    def explain(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Who serves it and why; with `without`, who would if those nodes went down."""
        domain = self.get_object().domain
        return Response(
            ExplanationSerializer(told(domain_inquire(domain=domain, without=without(request)))).data
        )

    @extend_schema(responses=SummarySerializer, parameters=[WITHOUT], filters=False)
    @action(detail=False, methods=["get"], domain_path=None, pagination_class=None)
    def summary(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """How all sites are spread over the nodes; with `without`, what would move without those."""
        gone = without(request)
        change = fleet_without(nodes=gone) if gone else None
        return Response(SummarySerializer(summed(fleet_inquire(), change)).data)


def without(request: Request) -> list[str]:
    """The nodes of `?without=`, which may be given several times."""
    refuse_unknown(request, {"without"}, repeated={"without"})
    names = request.query_params.getlist("without")
    if unknown := {*names} - {*Node.objects.filter(name__in=names).values_list("name", flat=True)}:
        raise InvalidQuery({"without": f"There is no node “{min(unknown)}”."})
    return names


def told(inquiry: Inquiry) -> dict[str, Any]:
    """The answer for one domain as plain values."""
    answer = inquiry.explanation.answer
    return {
        "host": inquiry.domain.host,
        "names": inquiry.names,
        "ipv4": answer.ipv4,
        "ipv6": answer.ipv6,
        "waiting": answer.waiting,
        "sentences": inquiry.sentences,
        "without": inquiry.without,
        "taking_over": inquiry.taking_over,
        "nodes": inquiry.explanation.rows,
    }


def summed(fleet: Fleet, change: FleetChange | None) -> dict[str, Any]:
    """The spread as plain values."""
    return {
        "sites": fleet.sites,
        "nodes": fleet.loads,
        "notes": fleet.notes,
        "without": change.without if change else (),
        "change": change and moved(change),
    }


def moved(change: FleetChange) -> dict[str, Any]:
    gaining: Iterable[tuple[str, int]] = change.gaining
    return {
        "sentence": change.sentence,
        "moved": change.takeover.moved,
        "gaining": [{"node": node, "sites": sites} for node, sites in gaining],
        "notes": change.notes,
    }
