"""Many domains in one call: one transaction, so that their documents are published together."""

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.response import Response

from api import dry_run, history
from api.bulk import WRONG, at_item, item_problem
from api.permissions import require_right
from api.serializers import Serializer
from domains.hostnames import searched_hostname
from domains.models import Domain

#: Items of one call.
MOST = 1_000


class ItemSerializer(Serializer):
    """`put`: make or replace it by `domain`. `delete`: the one named `host`."""

    action = serializers.ChoiceField(choices=["put", "delete"], default="put")
    host = serializers.CharField(max_length=253, required=False)
    domain = serializers.DictField(required=False, help_text="The document, as at its own address.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["action"] == "put" and "domain" not in attrs:
            raise ValidationError({"domain": ["Give the document."]})
        if attrs["action"] == "delete" and "host" not in attrs:
            raise ValidationError({"host": ["Say which domain."]})
        return attrs


class BulkSerializer(Serializer):
    atomic = serializers.BooleanField(default=False, help_text="All of them, or none.")
    items = ItemSerializer(many=True, allow_empty=False, max_length=MOST)  # type: ignore[call-arg]


class BulkResultSerializer(Serializer):
    host = serializers.CharField()
    result = serializers.ChoiceField(choices=["created", "changed", "unchanged", "deleted", "failed"])
    status = serializers.IntegerField(help_text="What its own address would have answered.")
    problem = serializers.DictField(required=False, help_text="Where it failed: why (RFC 9457).")


class BulkAnswerSerializer(Serializer):
    results = BulkResultSerializer(many=True, help_text="In the order of the items.")
    failed = serializers.IntegerField()


def bulk(view: Any) -> Response:
    """Answer a bulk: a result for each item."""
    asked = BulkSerializer(data=view.request.data)
    asked.is_valid(raise_exception=True)
    items, atomic = asked.validated_data["items"], asked.validated_data["atomic"]

    def change() -> dict[str, Any]:
        results = [_done(view, place, item, atomic) for place, item in enumerate(items)]
        return {"results": results, "failed": sum(each["result"] == "failed" for each in results)}

    return dry_run.answered(view.request, change, Response)


def _done(view: Any, place: int, item: dict[str, Any], atomic: bool) -> dict[str, Any]:
    host = str(item.get("host") or item.get("domain", {}).get("host", ""))
    try:
        with history.atomic():
            if item["action"] == "delete":
                return _delete(view, searched_hostname(host))
            return _put(view, host, dict(item["domain"]))
    except WRONG as error:
        if atomic:
            raise at_item(place, error, "domain") from error
        return {"host": host, "result": "failed", **item_problem(error)}


def _delete(view: Any, host: str) -> dict[str, Any]:
    require_right(view.request, "domains.delete_domain")
    domain = _locked(view, host)
    if domain is None:
        raise NotFound(f"There is no domain “{host}”.")
    view.perform_destroy(domain)
    return {"host": host, "result": "deleted", "status": 204}


def _put(view: Any, host: str, document: dict[str, Any]) -> dict[str, Any]:
    document.setdefault("host", host)
    domain = _locked(view, searched_hostname(host))
    if domain is None:
        require_right(view.request, "domains.add_domain")
        made = _valid(view, None, document)
        return {"host": view.perform_create(made).host, "result": "created", "status": 201}
    serializer = _valid(view, domain, document)
    host = view.perform_update(serializer).host
    return {"host": host, "result": "changed" if serializer.changed else "unchanged", "status": 200}


def _locked(view: Any, host: str) -> Domain | None:
    Domain.objects.select_for_update().filter(host=host).order_by().values("pk").first()
    found: Domain | None = view.get_queryset().prefetch_related(None).filter(host=host).first()
    return found


def _valid(view: Any, domain: Domain | None, document: dict[str, Any]) -> Any:
    serializer = view.get_serializer(domain, data=document)
    serializer.is_valid(raise_exception=True)
    return serializer
