"""The records of a zone: one by one, many in one call, and as a master file."""

from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.fields import get_error_detail
from rest_framework.request import Request
from rest_framework.response import Response

from api import dry_run, history
from api.bulk import WRONG, at_item, item_problem
from api.filters import FilterSet, InFilter, refuse_unknown
from api.limits import BULK
from api.permissions import require_right
from api.serializers import Serializer
from api.viewsets import CreateMixin, DeleteMixin, ReadMixin, UpdateMixin
from dnszones.api import examples
from dnszones.api.below import APEX, BelowZone, below_zone, zone_of_address
from dnszones.api.serializers import ImportedSerializer, ImportSerializer, RecordSerializer, TextSerializer
from dnszones.master_file import master_file_read, master_file_written
from dnszones.models import Record, Zone
from dnszones.parts import record_like, record_put, records_set
from domains.api.serializers import keyed, require_rights_of
from domains.parts import PartErrors

#: Items of one call.
MOST = 1_000
#: What `record_put` has done → what the answer calls it, and its status.
WORDS = {"add": ("created", 201), "change": ("changed", 200), "": ("unchanged", 200)}


class RecordItemSerializer(Serializer):
    """`put`: have this record, with this TTL. `delete`: have it no more."""

    action = serializers.ChoiceField(choices=["put", "delete"], default="put")
    name = serializers.CharField(max_length=1000, default="@")
    type = serializers.ChoiceField(choices=Record.Type.choices)
    ttl = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=0)
    value = serializers.CharField(max_length=100_000, trim_whitespace=False)


class RecordBulkSerializer(Serializer):
    atomic = serializers.BooleanField(default=False, help_text="All of them, or none.")
    items = RecordItemSerializer(many=True, allow_empty=False, max_length=MOST)  # type: ignore[call-arg]


class RecordResultSerializer(Serializer):
    result = serializers.ChoiceField(choices=["created", "changed", "unchanged", "deleted", "failed"])
    status = serializers.IntegerField(help_text="What its own address would have answered.")
    id = serializers.IntegerField(required=False)
    problem = serializers.DictField(required=False, help_text="Where it failed: why (RFC 9457).")


class RecordResultsSerializer(Serializer):
    results = RecordResultSerializer(many=True, help_text="In the order of the items.")
    failed = serializers.IntegerField()


class RecordFilter(FilterSet):
    name__in = InFilter(field_name="name", lookup_expr="in")
    type__in = InFilter(field_name="type", lookup_expr="in")

    class Meta:
        model = Record
        fields = ["name", "type", "value"]


@below_zone("list", "create", "retrieve", "update", "partial_update", "destroy")
class RecordViewSet(BelowZone, ReadMixin, CreateMixin, UpdateMixin, DeleteMixin):
    """What a zone answers beside its sites and name servers. Names are relative to the zone; @ is its own."""

    queryset = Record.objects.select_related("zone")
    serializer_class = RecordSerializer
    lookup_field = "id"
    lookup_value_regex = "[0-9]{1,18}"
    filterset_class = RecordFilter
    search_fields = ["name", "value"]
    ordering = ["name", "type"]
    ordering_fields = ["name", "type"]
    rehearsed = ["bulk", "import_file"]
    #: What each item does needs its right besides.
    action_rights = {"bulk": ["dnszones.change_record"], "import_file": ["dnszones.change_record"]}
    example = examples.RECORD
    examples = {
        "bulk": examples.BULK,
        "export": {"response": {"text": examples.MASTER_FILE}},
        "import_file": {
            "request": {"text": examples.MASTER_FILE, "replace": False},
            "response": {"records": 1, "created": 1, "changed": 0, "deleted": 0, "left_out": []},
        },
    }

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().create(request)

    @extend_schema(parameters=[APEX], request=RecordBulkSerializer, responses=RecordResultsSerializer)
    @action(detail=False, methods=["post"], body_limit=BULK)
    def bulk(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Put and delete up to 1,000 records, named by what they say; they are published together.

        The answer says of each item what came of it. `atomic`: all of them, or, where one is not valid,
        none, with a problem that names it; else the others are done.
        """
        asked = RecordBulkSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        items, atomic = asked.validated_data["items"], asked.validated_data["atomic"]

        def change(zone: Zone) -> dict[str, Any]:
            results = [self._result(zone, place, item, atomic) for place, item in enumerate(items)]
            return {"results": results, "failed": sum(each["result"] == "failed" for each in results)}

        return self._many(change)

    @extend_schema(parameters=[APEX], responses=TextSerializer, filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def export(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The records as a master file, without what Cirrus itself answers."""
        refuse_unknown(request, set())
        zone = zone_of_address(self.kwargs["apex"])
        rows = Record.objects.filter(zone=zone).order_by("name", "type", "pk").iterator()
        return Response(
            {"text": master_file_written(apex=zone.apex, default_ttl=zone.default_ttl, records=rows)}
        )

    @extend_schema(parameters=[APEX], request=ImportSerializer, responses=ImportedSerializer)
    @action(detail=False, methods=["post"], url_path="import", body_limit=BULK)
    def import_file(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take over the records of a master file, all of them or none; `replace` deletes the others."""
        asked = ImportSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return self._many(lambda zone: self._import(zone, **asked.validated_data))

    def _many(self, change: Any) -> Response:
        def under_lock() -> Any:
            return change(zone_of_address(self.kwargs["apex"], lock=True))

        return dry_run.answered(self.request, under_lock, Response)

    def _import(self, zone: Zone, *, text: str, replace: bool) -> dict[str, Any]:
        try:
            found = master_file_read(text, apex=zone.apex, default_ttl=zone.default_ttl)
        except DjangoValidationError as error:
            raise ValidationError({"text": get_error_detail(error)}) from error
        try:
            done = records_set(zone=zone, wanted=found.records, keep=not replace)
        except PartErrors as error:
            raise ValidationError({"text": _of_records(error, found.records)}) from error
        require_rights_of(self.get_serializer_context(), done)
        counts = {
            name: done.counts[verb]
            for name, verb in (("created", "add"), ("changed", "change"), ("deleted", "delete"))
        }
        return {"records": len(found.records), **counts, "left_out": found.left_out}

    def _result(self, zone: Zone, place: int, item: dict[str, Any], atomic: bool) -> dict[str, Any]:
        values = {name: value for name, value in item.items() if name != "action"}
        try:
            with history.atomic():
                return (
                    self._item_delete(zone, values)
                    if item["action"] == "delete"
                    else self._item_put(zone, values)
                )
        except DjangoValidationError as wrong:
            error: Exception = ValidationError(get_error_detail(wrong))
        except WRONG as wrong:
            error = wrong
        if atomic:
            raise at_item(place, error)
        return {"result": "failed", **item_problem(error)}

    def _item_put(self, zone: Zone, values: dict[str, Any]) -> dict[str, Any]:
        record, verb = record_put(zone=zone, values=values)
        if verb:
            require_right(self.request, f"dnszones.{verb}_record")
        word, code = WORDS[verb]
        return {"result": word, "status": code, "id": record.pk}

    def _item_delete(self, zone: Zone, values: dict[str, Any]) -> dict[str, Any]:
        require_right(self.request, "dnszones.delete_record")
        record = record_like(zone=zone, values={**values, "ttl": None})
        if record is None:
            raise NotFound("The zone has no such record.")
        record.delete()
        return {"result": "deleted", "status": 204}


def _of_records(error: PartErrors, records: list[dict[str, Any]]) -> list[str]:
    """Sentences that name the records, as the file has no places that people could count."""
    said = []
    for place, reasons in keyed(error).items():
        if int(place) >= len(records):
            said += reasons
            continue
        record = records[int(place)]
        texts = [str(text) for each in reasons.values() for text in each]
        said.append(f"{record['name']} {record['type']} {record['value'][:60]}: {' '.join(texts)}")
    return said
