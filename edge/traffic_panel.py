"""The traffic of a domain on its page of the portal: `TrafficPanelMixin` goes in front of its admin class."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from edge.traffic import CLASSES, DAY, HOUR, TrafficReport, read_traffic
from nodes.models import Node

PANEL = "edge/traffic_panel.html"
#: Bars of the chart, and its size in its own units: each bar is BAR wide with a gap of one.
BARS, BAR, HEIGHT = 60, 9, 60


@dataclass(frozen=True)
class Bar:
    """One bar of the chart, in the chart's units from its upper left corner."""

    x: int
    y: float
    height: float
    title: str


def bars(report: TrafficReport) -> list[Bar]:
    """The requests of the stretch in BARS bars of equal time; none where there were no requests."""
    size = max(1, len(report.requests) // BARS)
    sums = [sum(report.requests[start : start + size]) for start in range(0, len(report.requests), size)]
    most = max(sums)
    if not most:
        return []
    return [
        Bar(
            x=n * (BAR + 1),
            y=round(HEIGHT - HEIGHT * count / most, 1),
            height=round(HEIGHT * count / most, 1),
            title=f"{_clock(report.first_minute + n * size)}: {count:,} request{'' if count == 1 else 's'}",
        )
        for n, count in enumerate(sums)
    ]


def facts(report: TrafficReport) -> list[tuple[str, str]]:
    """Names and values below the chart."""
    total = report.total
    found = [
        ("Requests", f"{total.requests:,}"),
        ("A minute", f"{total.requests / len(report.requests):,.1f}"),
        ("From the cache", "none" if total.hit_ratio is None else f"{total.hit_ratio:.1%}"),
        ("Sent", sized(total.bytes)),
        *((f"Status {name}", f"{total.classes[name]:,}") for name in CLASSES if total.classes[name]),
    ]
    if total.stale:
        found.append(("Served stale", f"{total.stale:,}"))
    if total.origin_seconds is not None:
        found.append(("The origin took", f"{total.origin_seconds:.3f} s"))
    return found


def sized(count: float) -> str:
    """Bytes as people read them: `1.5 MB` (powers of ten)."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while count >= 1000 and len(units) > 1:
        count /= 1000
        units.pop(0)
    return f"{count:.{0 if units[0] == 'B' else 1}f} {units[0]}"


def _clock(minute: int) -> str:
    return timezone.localtime(datetime.fromtimestamp(minute * 60, UTC)).strftime("%H:%M")


class TrafficPanelMixin:
    """Adds the panel below the form, and the address at which it is asked for again."""

    change_form_outer_after_template = PANEL

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.traffic_view)  # type: ignore[attr-defined]
        return [
            path("<int:object_id>/traffic/", view, name=self._traffic_url_name()),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        if obj:
            context |= self._traffic_context(obj, HOUR)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)  # type: ignore[misc]

    def traffic_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The panel alone, of the last hour or, with `?minutes=1440`, of the last day."""
        obj = self.get_queryset(request).filter(pk=object_id).first()  # type: ignore[attr-defined]
        if not obj or not self.has_view_permission(request, obj):  # type: ignore[attr-defined]
            raise Http404
        minutes = DAY if request.GET.get("minutes") == str(DAY) else HOUR
        return TemplateResponse(request, PANEL, self._traffic_context(obj, minutes))

    def _traffic_context(self, obj: Any, minutes: int) -> dict[str, Any]:
        nodes = Node.objects.values_list("name", flat=True)
        report = read_traffic(host=obj.host, nodes=nodes, minutes=minutes, now=timezone.now().timestamp())
        url = reverse(f"admin:{self._traffic_url_name()}", args=[obj.pk])
        return {
            "traffic": report,
            "traffic_bars": bars(report),
            "traffic_facts": facts(report),
            "traffic_shape": {"bar": BAR, "width": BARS * (BAR + 1), "height": HEIGHT},
            "traffic_stretches": [
                ("the last hour", f"{url}?minutes={HOUR}", minutes == HOUR),
                ("the last day", f"{url}?minutes={DAY}", minutes == DAY),
            ],
        }

    def _traffic_url_name(self) -> str:
        opts = self.opts  # type: ignore[attr-defined]
        return f"{opts.app_label}_{opts.model_name}_traffic"
