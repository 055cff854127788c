"""What the edges have and say, in the API; and the resources of domains and nodes with it."""

from edge.api.changes import ChangeViewSet, OutboxViewSet
from edge.api.domains import PublishedDomainViewSet
from edge.api.health import HealthViewSet
from edge.api.nodes import PublishedNodeViewSet

__all__ = [
    "ChangeViewSet",
    "HealthViewSet",
    "OutboxViewSet",
    "PublishedDomainViewSet",
    "PublishedNodeViewSet",
]
