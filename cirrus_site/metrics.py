"""`/metrics` of the control plane: the portal's requests (django-prometheus) and how far the edges are."""

import ipaddress
from collections.abc import Iterator

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django_prometheus.exports import ExportToDjangoView
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edge import services
from edge.models import Outbox
from edge.revisions import current_keyspace

#: What a proxy adds. A proxy on this machine has a loopback address, but speaks for somebody else.
PROXY_HEADERS = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")


def metrics(request: HttpRequest) -> HttpResponse:
    """Everything in Prometheus's text format; a 404 to whoever is not in CIRRUS_METRICS_ALLOW."""
    if not may_read(request):
        raise Http404
    response = ExportToDjangoView(request)
    registry = CollectorRegistry()
    registry.register(ControlPlane())
    response.content += generate_latest(registry)
    return response


def may_read(request: HttpRequest) -> bool:
    """Whether the request came straight from an allowed network."""
    if any(header in request.headers for header in PROXY_HEADERS):
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:  # a unix socket has no address
        return False
    return any(address in ipaddress.ip_network(network) for network in settings.CIRRUS.metrics_allow)


class ControlPlane(Collector):
    """Gauges that are read when they are asked for: nothing counts them in between."""

    def collect(self) -> Iterator[Metric]:
        oldest = Outbox.objects.order_by("pk").values_list("staged_at", flat=True).first()
        age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
        yield _gauge("cirrus_outbox_rows", "Saved changes that are not in Redis yet.", Outbox.objects.count())
        yield _gauge("cirrus_outbox_oldest_seconds", "How long the oldest of them has waited.", age)
        yield from self._comparison()
        yield from self._edges()

    def _comparison(self) -> Iterator[Metric]:
        keyspace = current_keyspace()
        yield _gauge("cirrus_keyspace_revision", "The newest revision given out.", keyspace.revision)
        if keyspace.compared_at:
            ago = (timezone.now() - keyspace.compared_at).total_seconds()
            yield _gauge(
                "cirrus_keyspace_drift", "Documents that differed at the last comparison.", keyspace.drift
            )
            yield _gauge("cirrus_keyspace_compared_seconds", "Seconds since that comparison.", ago)

    def _edges(self) -> Iterator[Metric]:
        now = timezone.now()
        names = {
            "revision": "The newest revision that the edge has applied.",
            "behind": "How many revisions the edge is behind.",
            "heard_seconds": "Seconds since the edge was last heard.",
            "refusals": "Documents that the edge refuses now.",
            "skew_seconds": "The edge's clock minus Redis's.",
        }
        gauges = {
            name: GaugeMetricFamily(f"cirrus_edge_{name}", text, labels=["node"])
            for name, text in names.items()
        }
        for state in services.edge_states():
            if state.heard_at is None:
                continue
            values = {
                "revision": state.rev,
                "behind": state.behind,
                "heard_seconds": (now - state.heard_at).total_seconds(),
                "refusals": len(state.refusals),
                "skew_seconds": state.skew,
            }
            for name, value in values.items():
                gauges[name].add_metric([state.node.name], value)
        yield from gauges.values()


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
