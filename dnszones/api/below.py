"""What lies below the address of a zone."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from api.viewsets import BaseViewSet
from dnszones.models import Zone
from domains.hostnames import searched_hostname

APEX = OpenApiParameter("apex", OpenApiTypes.STR, OpenApiParameter.PATH, description="The zone.")


def zone_of_address(apex: str, *, lock: bool = False) -> Zone:
    """The zone with this apex. Raises `NotFound`."""
    rows = Zone.objects.select_for_update() if lock else Zone.objects.all()
    zone = rows.filter(apex=apex).first()
    if zone is None:
        raise NotFound(f"There is no zone “{apex}”.")
    return zone


class BelowZone(BaseViewSet):
    """Rows of the zone in the address."""

    resource = "zones"
    zone: Zone | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.kwargs["apex"] = searched_hostname(self.kwargs["apex"])
        super().initial(request, *args, **kwargs)
        self.zone = zone_of_address(self.kwargs["apex"])  # 404 before anything else is said

    def carry_out(self, change: Callable[[], Any], code: int = status.HTTP_200_OK) -> Response:
        def under_lock() -> Any:
            self.zone = zone_of_address(self.kwargs["apex"], lock=True)
            return change()

        return super().carry_out(under_lock, code)

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(zone__apex=self.kwargs.get("apex", ""))

    def get_serializer_context(self) -> dict[str, Any]:
        context = super().get_serializer_context()
        return {**context, "zone": self.zone} if self.zone else {**context}

    def address_of(self, row: Any) -> str:
        names = {"apex": self.kwargs["apex"], self.lookup_field: getattr(row, self.lookup_field)}
        whole = str(self.reverse_action("detail", kwargs=names))
        return whole.removeprefix(self.request.build_absolute_uri("/")[:-1])

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response: Response = super().list(request)  # type: ignore[misc]
        return response


def below_zone(*names: str) -> Callable[[Any], Any]:
    """Says in the OpenAPI document what the address has beside the key; of these actions."""
    return extend_schema_view(**{name: extend_schema(parameters=[APEX]) for name in names})
