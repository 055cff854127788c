"""What is known of nodes, judged by the settings. Apart from probing, whose HTTP client is slow to load."""

from collections.abc import Iterable

from django.conf import settings

from edge.health.reports import Known
from nodes.health.decision import Decision, Watched, decide
from nodes.models import Node


def watched(node: Node) -> Watched:
    """A node (with its region selected) as decisions see it."""
    return Watched(node.name, node.region.name, node.state, node.trial, node.is_edge)


def decision_on(nodes: Iterable[Node], known: Known) -> Decision:
    """What the reports mean for these nodes. Changes nothing."""
    config = settings.CIRRUS
    return decide(
        [watched(node) for node in nodes],
        known.reports,
        vantages=config.vantage_points,
        silent=known.silent(interval=config.health_interval),
        now=known.now,
        interval=config.health_interval,
    )
