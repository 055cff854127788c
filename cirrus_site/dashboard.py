"""The first page of the portal: alarms, the edges, what waits or is refused, what was published last."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from alarms.models import Alarm
from domains.models import Domain
from edge import services
from edge.edge_line import Line, edge_line
from edge.models import Kind, Outbox, Publication
from edge.services import EdgeState
from nodes.models import Node

NEWEST = 8


@dataclass(frozen=True)
class Step:
    """One of the first things that a new installation needs."""

    title: str
    text: str
    url: str
    done: bool


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what `admin/index.html` shows (unfold's DASHBOARD_CALLBACK), as far as this person may see it."""
    may = request.user.has_perm
    states = services.edge_states() if may("nodes.view_node") else []
    steps = first_steps(states) if may("nodes.add_node") and may("domains.add_domain") else []
    context |= {
        "title": "Overview",
        "steps": [] if all(step.done for step in steps) else steps,
        "sees_alarms": may("alarms.view_alarm"),
        "alarms": Alarm.objects.open() if may("alarms.view_alarm") else [],
        "sees_edges": may("nodes.view_node"),
        "edges": [(state, edge_line(state)) for state in states],
        "waiting": waiting_line(),
        "refusals": [
            (state.node, document, refusal)
            for state in states
            for document, refusal in state.refusals.items()
        ],
        "sees_changes": may("edge.view_publication"),
        "newest": newest_changes() if may("edge.view_publication") else [],
    }
    return context


def first_steps(states: list[EdgeState]) -> list[Step]:
    """What is still to do before the first site is served."""
    return [
        Step(
            "Add a node",
            "A node is one machine that runs an edge. It needs a name, a region and an address; "
            "it comes up by itself when its edge answers.",
            reverse("admin:nodes_node_add"),
            # One that is down is an outage (alarms tell of it), no reason to begin again.
            Node.objects.filter(is_edge=True).exists(),
        ),
        Step(
            "Start its edge",
            "On that machine: manage.py run_edge --node NAME, with CIRRUS_EDGE_REDIS_URL set.",
            reverse("admin:nodes_node_changelist"),
            # One that was heard once has been started; with Redis down nobody can say that it was not.
            any(state.heard_at or state.failure for state in states),
        ),
        Step(
            "Add a domain with an origin",
            "Its page then says when every edge has it; point the name's DNS at your edges after that.",
            reverse("admin:domains_domain_add"),
            Domain.objects.filter(origins__isnull=False).exists(),
        ),
    ]


def waiting_line() -> Line:
    """One line on the outbox."""
    objects = Outbox.objects.values("kind", "object_id").distinct().count()
    if not objects:
        return Line("ok", "every saved change is in Redis")
    return Line("pending", f"{objects} changed object{'' if objects == 1 else 's'} not in Redis yet")


def newest_changes() -> list[dict[str, Any]]:
    """The newest publications, each with where its object is served now."""
    publications = list(Publication.objects.order_by("-rev")[:NEWEST])
    lines: dict[tuple[str, int], Any] = {}
    for kind in Kind.values:
        ids = [publication.object_id for publication in publications if publication.kind == kind]
        if ids:
            found = services.publication_statuses(kind=kind, object_ids=ids)
            lines |= {(kind, object_id): status for object_id, status in found.items()}
    return [
        {
            "publication": publication,
            "line": lines.get((publication.kind, publication.object_id)),
            "url": _change_url(publication) if publication.live else "",
        }
        for publication in publications
    ]


def _change_url(publication: Publication) -> str:
    name = "nodes_node" if publication.kind == Kind.NODE else "domains_domain"
    return reverse(f"admin:{name}_change", args=[publication.object_id])
