"""The versions of a zone that were published."""

from api.viewsets import ReadMixin
from dnszones.api import examples
from dnszones.api.below import BelowZone, below_zone
from dnszones.api.serializers import VersionSerializer
from dnszones.models import ZoneVersion


@below_zone("list", "retrieve")
class VersionViewSet(BelowZone, ReadMixin):
    """What was given to the secondaries, the newest first; one is pending until all of them answer it."""

    queryset = ZoneVersion.objects.select_related("zone")
    serializer_class = VersionSerializer
    lookup_field = "serial"
    lookup_value_regex = "[0-9]{1,18}"
    ordering = ["-pk"]
    unversioned = ["insync_at"]
    example = examples.VERSION
