"""The name servers that fetch zones, and what they answer."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from api.viewsets import ResourceViewSet
from dnszones.api import examples
from dnszones.api.serializers import SecondarySerializer, SecondaryWithKeySerializer, StateSerializer
from dnszones.models import Secondary
from dnszones.secondaries import secondary_give_key


class SecondaryViewSet(ResourceViewSet):
    """Standard name servers that are given your zones. A key that is made here is told once."""

    resource = "secondaries"
    queryset = Secondary.objects.prefetch_related("zones")
    serializer_class = SecondarySerializer
    lookup_field = "name"
    put_creates = True
    filterset_fields = ["enabled", "tsig_name"]
    search_fields = ["name", "address", "tsig_name", "notes"]
    ordering = ["name"]
    ordering_fields = ["name"]
    action_rights = {"states": ["dnszones.view_secondarystate"]}
    #: The key that was made for this answer.
    secret = ""
    example = examples.SECONDARY
    examples = {
        "states": {"response": {"results": [examples.STATE], "next": None}},
        "rotate_key": {"response": examples.WITH_KEY},
    }

    def create(self, request: Request) -> Response:
        return self._with_secret(super().create(request))

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._with_secret(super().update(request, *args, **kwargs))

    @extend_schema(responses=StateSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def states(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What it was last seen to answer, zone by zone."""
        self.ordering = ["zone__apex"]
        states = self.get_object().states.select_related("zone", "secondary")
        page = self.paginate_queryset(states)
        return self.get_paginated_response(StateSerializer(page, many=True).data)

    @extend_schema(request=None, responses=SecondaryWithKeySerializer)
    @action(detail=True, methods=["post"], url_path="rotate-key")
    def rotate_key(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a new key, which this answer tells. It fetches nothing until it is configured with it."""

        def change() -> Secondary:
            secondary: Secondary = self.locked()
            self.secret = secondary_give_key(secondary=secondary)
            return secondary

        return self._with_secret(self.carry_out(change))

    def _with_secret(self, response: Response) -> Response:
        made = response.status_code in (status.HTTP_200_OK, status.HTTP_201_CREATED)
        if made and self.secret and "dry_run" not in response.data:
            response.stored = dict(response.data)  # type: ignore[attr-defined]  # what a replay shows
            response.data = {**response.data, "tsig_secret": self.secret}
            response["Cache-Control"] = "no-store"
        return response
