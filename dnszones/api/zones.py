"""Zones, under their apexes."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from api.filters import refuse_unknown
from api.viewsets import ResourceViewSet
from dnszones.api import examples
from dnszones.api.serializers import ZoneSerializer, ZoneStatusSerializer
from dnszones.models import Zone
from dnszones.services import zones_publish_anyway
from dnszones.statuses import zone_statuses
from domains.hostnames import searched_hostname


class ZoneViewSet(ResourceViewSet):
    """What your name servers answer for. Its records and versions lie below it."""

    resource = "zones"
    queryset = Zone.objects.prefetch_related("nameservers")
    serializer_class = ZoneSerializer
    lookup_field = "apex"
    put_creates = True
    filterset_fields = ["apex", "enabled", "serves_sites"]
    search_fields = ["apex", "notes"]
    ordering = ["apex"]
    ordering_fields = ["apex", "created_at", "updated_at"]
    #: Builds write these.
    unversioned = ["serial", "built_at", "refusal", "warnings"]
    example = examples.ZONE
    examples = {
        "status": {"response": examples.STATUS},
        "publish_anyway": {"response": examples.STATUS},
    }

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if "apex" in self.kwargs:
            self.kwargs["apex"] = searched_hostname(self.kwargs["apex"])
        super().initial(request, *args, **kwargs)

    @extend_schema(responses=ZoneStatusSerializer)
    @action(detail=True, methods=["get"])
    def status(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Where its newest version is, and what each secondary was last seen to answer."""
        refuse_unknown(request, set())
        return Response(status_of(self.get_object()))

    @extend_schema(request=None, responses={202: ZoneStatusSerializer})
    @action(detail=True, methods=["post"], url_path="publish-anyway")
    def publish_anyway(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Publish the newest build even where it takes so many names away that it was refused."""
        refuse_unknown(request, set())
        zone = self.get_object()
        self.check_preconditions(zone)
        zones_publish_anyway(zones=[zone])
        return Response(status_of(zone), status.HTTP_202_ACCEPTED)


def status_of(zone: Zone) -> dict[str, Any]:
    """The line of a zone, with the states of its secondaries."""
    line = zone_statuses([zone])[zone.pk]
    states = zone.states.filter(secondary__enabled=True).select_related("secondary", "zone")
    told: dict[str, Any] = {"tone": line.tone, "sentence": line.sentence, "rev": line.rev}
    told |= {"applied_by": line.applied_by, "serving": line.serving}
    return dict(ZoneStatusSerializer({**told, "secondaries": states.order_by("secondary__name")}).data)
