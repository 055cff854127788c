"""`/healthz`: whether the control plane works, for load balancers and monitors. It tells no secrets."""

import time
from typing import Any

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from cirrus_site.celery import LAST_TASK
from edge.errors import RedisUnreachable
from edge.models import Outbox
from edge.store import reaching_redis

#: Seconds after which waiting is a symptom: the schedule has a task every five.
TOO_LONG = 60.0


def health(request: HttpRequest) -> JsonResponse:
    """503 only where nothing can work (no database). Redis down is “degraded”: saves are still accepted."""
    report: dict[str, Any] = {"database": "ok", "redis": "ok"}
    try:
        report |= _background()
    except DatabaseError:
        return JsonResponse({"status": "down", "database": "unreachable"}, status=503)
    try:
        with reaching_redis() as client:
            client.ping()
    except RedisUnreachable:
        report["redis"] = "unreachable"
    return JsonResponse({"status": "degraded" if _is_degraded(report) else "ok", **report})


def _background() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    oldest = Outbox.objects.order_by("pk").values_list("staged_at", flat=True).first()
    ended = cache.get(LAST_TASK)
    return {
        "outbox_rows": Outbox.objects.count(),
        "outbox_oldest_seconds": round((timezone.now() - oldest).total_seconds(), 1) if oldest else 0,
        "last_task_seconds": round(time.time() - ended, 1) if ended else None,
    }


def _is_degraded(report: dict[str, Any]) -> bool:
    silent = report["last_task_seconds"]
    return (
        report["redis"] != "ok"
        or report["outbox_oldest_seconds"] > TOO_LONG
        or silent is None
        or silent > TOO_LONG
    )
