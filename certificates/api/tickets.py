"""The keys of session tickets that all edges have in common: when they are used, never what they are."""

from api.serializers import ModelSerializer
from api.viewsets import ReadViewSet
from certificates.api import examples
from certificates.models import TicketKey


class TicketKeySerializer(ModelSerializer[TicketKey]):
    class Meta:
        model = TicketKey
        fields = ["label", "active_from", "created_at"]
        read_only_fields = fields


class TicketKeyViewSet(ReadViewSet):
    """They are made and rotated by a scheduled job."""

    resource = "certificates"
    queryset = TicketKey.objects.defer("key")
    serializer_class = TicketKeySerializer
    lookup_field = "label"
    ordering = ["-active_from"]
    example = examples.TICKET_KEY
