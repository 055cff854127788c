"""`/metrics` of the control plane: the portal's requests (django-prometheus) and how far the edges are."""

import ipaddress
from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django_prometheus.exports import ExportToDjangoView
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alarms.models import Alarm
from certificates.services.watching import totals as certificate_totals
from dnszones.models import Zone
from dnszones.watching import secondary_lags
from edge import services
from edge.health.lines import nodes_health
from edge.models import Outbox
from edge.revisions import current_keyspace
from nodes.models import Node

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
        yield from self._nodes()
        yield from self._zones()
        yield from self._certificates()
        yield _alarms()

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

    def _nodes(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "cirrus_node_state", "1 for the state that the node is in, else 0.", labels=["node", "state"]
        )
        probe = GaugeMetricFamily(
            "cirrus_node_probe_ok", "1 where the last probe succeeded.", labels=["node", "vantage"]
        )
        took = GaugeMetricFamily(
            "cirrus_node_probe_seconds", "How long the last probe took.", labels=["node", "vantage"]
        )
        age = GaugeMetricFamily(
            "cirrus_node_probe_age_seconds", "How long ago that was.", labels=["node", "vantage"]
        )
        for name, health in nodes_health(Node.objects.select_related("region")).items():
            for known in Node.State.values:
                state.add_metric([name, known], health.node.state == known)
            for vantage, report in health.reports.items():
                probe.add_metric([name, vantage], report.ok)
                took.add_metric([name, vantage], report.ms / 1000)
                age.add_metric([name, vantage], max(0.0, health.now - report.at))
        yield from (state, probe, took, age)

    def _zones(self) -> Iterator[Metric]:
        serial = GaugeMetricFamily("cirrus_zone_serial", "The newest published version.", labels=["zone"])
        refused = GaugeMetricFamily(
            "cirrus_zone_refused", "1 where the newest build was not published whole.", labels=["zone"]
        )
        for zone in Zone.objects.published():
            serial.add_metric([zone.apex], zone.serial)
            refused.add_metric([zone.apex], bool(zone.refusal))
        lag = GaugeMetricFamily(
            "cirrus_dns_lag_seconds",
            "For how long the secondary has answered something older than what was published.",
            labels=["zone", "secondary"],
        )
        answers = GaugeMetricFamily(
            "cirrus_dns_answers",
            "1 where the secondary answered when last asked.",
            labels=["zone", "secondary"],
        )
        for seen in secondary_lags(now=timezone.now()):
            lag.add_metric([seen.apex, seen.secondary], seen.seconds)
            answers.add_metric([seen.apex, seen.secondary], seen.answers)
        yield from (serial, refused, lag, answers)

    def _certificates(self) -> Iterator[Metric]:
        found = certificate_totals()
        if found.soonest is not None:
            yield _gauge(
                "cirrus_certificate_expiry_seconds",
                "Seconds until the first of the served certificates ends; negative where one has.",
                found.soonest,
            )
        standing = GaugeMetricFamily(
            "cirrus_certificates", "Domains with HTTPS, by how their certificate is.", labels=["standing"]
        )
        for name, count in found.by_rung.items():
            standing.add_metric([name], count)
        orders = GaugeMetricFamily(
            "cirrus_certificate_orders",
            "Orders that ended within the last day, by authority and outcome.",
            labels=["authority", "outcome"],
        )
        for (authority, outcome), count in found.orders.items():
            orders.add_metric([authority, outcome], count)
        yield from (standing, orders)
        yield _gauge("cirrus_certificate_orders_open", "Orders that are under way.", found.open_orders)


def _alarms() -> Metric:
    gauge = GaugeMetricFamily("cirrus_alarms", "Alarms that are open now, by kind.", labels=["kind"])
    counted = Alarm.objects.open().order_by().values_list("kind").annotate(Count("pk"))
    for kind, count in counted:
        gauge.add_metric([kind], count)
    return gauge


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
