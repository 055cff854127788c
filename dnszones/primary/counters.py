"""What the primary counts, for Prometheus. A registry of its own: no other process is told of here."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class Counters:
    """The families; labels are few and bounded by the code."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = self._counter(
            "cirrus_primary_answers", "Answers by what they say.", "transport", "answer"
        )
        self.ignored = self._counter(
            "cirrus_primary_ignored",
            "Packets and connections that got no answer, and why.",
            "transport",
            "why",
        )
        self.transfers = self._counter("cirrus_primary_transfers", "Zones sent, and how.", "secondary", "how")
        self.transfer_bytes = self._counter("cirrus_primary_transfer_bytes", "Bytes of them.", "secondary")
        self.notifies = self._counter(
            "cirrus_primary_notifies", "NOTIFY messages by what became of them.", "secondary", "outcome"
        )
        self.refused = self._counter(
            "cirrus_primary_refused_versions", "Versions in Redis that are not served, and why.", "why"
        )
        self.errors = self._counter("cirrus_primary_errors", "Errors of ours that cost one answer.", "where")
        self.zones = self._gauge("cirrus_primary_zones", "Zones that are served.")
        self.connections = self._gauge("cirrus_primary_connections", "Open connections.")
        self.behind = self._gauge(
            "cirrus_primary_secondaries_behind", "Zones times secondaries with an old version."
        )
        self.redis = self._gauge("cirrus_primary_redis_up", "1 while Redis answers.")
        self.loaded_at = self._gauge(
            "cirrus_primary_loaded_timestamp", "When zones were last compared with Redis."
        )

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(name, what, registry=self.registry)
