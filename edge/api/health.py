"""The health of the nodes: what probes have found, and what each edge says of itself."""

from typing import Any

from api.viewsets import ReadViewSet
from edge.api import examples
from edge.api.serializers import NodeReportSerializer
from edge.health.lines import nodes_health
from edge.services import edge_states
from nodes.models import Node


class HealthViewSet(ReadViewSet):
    """Every node with the verdict of the vantage points on it."""

    resource = "health"
    queryset = Node.objects.select_related("region")
    serializer_class = NodeReportSerializer
    lookup_field = "name"
    filterset_fields = ["state", "is_edge", "is_shield"]
    search_fields = ["name", "region__name"]
    ordering = ["name"]
    ordering_fields = ["name"]
    example = examples.REPORT

    def paginate_queryset(self, queryset: Any) -> Any:
        return with_reports(super().paginate_queryset(queryset) or [])

    def get_object(self) -> Any:
        return with_reports([super().get_object()])[0]


def with_reports(nodes: list[Any]) -> list[Any]:
    """The same nodes, each with its edge's state and its health: one look at Redis for all of them."""
    states = {state.node.pk: state for state in edge_states()}
    health = nodes_health(nodes)
    for node in nodes:
        node.edge_state, node.health = states.get(node.pk), health[node.name]
    return nodes
