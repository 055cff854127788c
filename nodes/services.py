"""What can be done with a node beside editing its fields. SQL is the truth of its state."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from nodes.errors import NodeStillServes
from nodes.health.decision import Change
from nodes.models import Node, NodeEvent

#: Who changes the states `pending`, `up` and `down` by itself.
PROBES = "probes"
#: States in which no client is sent to a node any more: it may be on its way out of the DNS, or out.
LEAVING = frozenset({Node.State.DRAINING, Node.State.MAINTENANCE})
#: What changes with a state.
MOVED_FIELDS = ["state", "trial", "withdrawn_at", "safe_to_stop_at", "updated_at"]
#: How long the timeline of a node reaches back.
KEPT = timedelta(days=400)


@dataclass(frozen=True)
class SafeToStop:
    """Whether a node may be stopped without a client noticing. `at`: since when, or from when on."""

    safe: bool
    sentence: str
    at: datetime | None = None


@transaction.atomic
def node_set_state(*, node: Node, state: Node.State, reason: str, by: str) -> bool:
    """Put a node into a state, and write its timeline; False where it is in that state already.

    `by` is PROBES, or whoever did it by hand: a node that is put `up` by hand starts as if proven.
    """
    stored = Node.objects.select_for_update().get(pk=node.pk)
    event = _move(stored, state, reason=reason, by=by) if stored.state != state else None
    for name in MOVED_FIELDS:
        setattr(node, name, getattr(stored, name))
    if event:
        event.save()
    return event is not None


def _move(stored: Node, state: Node.State, *, reason: str, by: str) -> NodeEvent:
    """Save a locked node in another state; its line of the timeline, which is still to be saved."""
    event = NodeEvent(node=stored, at=timezone.now(), old=stored.state, new=state, reason=reason, by=by)
    if by != PROBES and state == Node.State.UP:
        stored.trial += 1
    if not (stored.state in LEAVING and state in LEAVING):
        stored.withdrawn_at = stored.safe_to_stop_at = None
    stored.state = state
    stored.save(update_fields=MOVED_FIELDS)
    return event


@transaction.atomic
def node_add(*, node: Node, by: str) -> None:
    """Save a new node, and begin its timeline."""
    node.save()
    NodeEvent.objects.create(node=node, at=timezone.now(), new=node.state, by=by)


@transaction.atomic
def nodes_settle(*, changes: Iterable[Change]) -> int:
    """Carry out what the probes have decided, all in one transaction; the number of changed nodes.

    A change is void where the node is in another state or trial meanwhile.
    """
    wanted = {change.node: change for change in changes}
    events = []
    for node in Node.objects.select_for_update().filter(name__in=wanted).order_by("pk"):
        change = wanted[node.name]
        if (node.state, node.trial) == (change.old, change.trial):
            events.append(_move(node, Node.State(change.new), reason=change.reason, by=PROBES))
    NodeEvent.objects.bulk_create(events)
    return len(events)


def node_take_into_service(*, node: Node, by: str, reason: str = "") -> bool:
    """State up. Its probes start as if they had succeeded; should it not answer, it goes down again."""
    return node_set_state(node=node, state=Node.State.UP, reason=reason, by=by)


def node_drain(*, node: Node, by: str, reason: str = "") -> bool:
    """State draining: it leaves the DNS, and serves on until the last answer with it has expired."""
    return node_set_state(node=node, state=Node.State.DRAINING, reason=reason, by=by)


def node_maintain(*, node: Node, by: str, reason: str = "", force: bool = False) -> bool:
    """State maintenance: nobody waits for it, nothing probes it.

    Raises `NodeStillServes` where clients may still be sent to it, unless `force`.
    """
    serving = node.state in (Node.State.UP, Node.State.DRAINING)
    leave = safe_to_stop(node)
    if serving and not leave.safe and not force:
        raise NodeStillServes(node.name, leave.sentence)
    return node_set_state(node=node, state=Node.State.MAINTENANCE, reason=reason, by=by)


def node_withdrawn(*, node: Node, ttl: int) -> bool:
    """Note that no secondary answers with this leaving node any more: the last answers expire in `ttl` s.

    May be told again and again: the first time counts. False where nothing was noted.
    """
    now = timezone.now()
    # No edge sees these columns, so that no document has to be published: update() is right here.
    noted = Node.objects.filter(pk=node.pk, withdrawn_at=None, state__in=LEAVING).update(
        withdrawn_at=now, safe_to_stop_at=now + timedelta(seconds=ttl)
    )
    node.refresh_from_db(fields=["state", "withdrawn_at", "safe_to_stop_at"])
    return bool(noted)


def node_answers_again(*, node: Node) -> None:
    """Note that the DNS answers with this draining node once more: no other was left."""
    Node.objects.filter(pk=node.pk, state=Node.State.DRAINING).update(withdrawn_at=None, safe_to_stop_at=None)


def safe_to_stop(node: Node, *, now: datetime | None = None) -> SafeToStop:
    """Whether, or when, the machine of this node may be stopped."""
    now = now or timezone.now()
    at = node.safe_to_stop_at
    if node.state not in LEAVING:
        return SafeToStop(False, f"it is {node.state}, not draining")
    if at is None:
        return SafeToStop(False, "not safe to stop yet: the DNS may still answer with it")
    if now < at:
        return SafeToStop(
            False, f"safe to stop at {_clock(at)}, when the last answers of the DNS have expired", at
        )
    return SafeToStop(True, f"safe to stop since {_clock(at)}", at)


def events_expire() -> int:
    """Forget the oldest lines of the timelines; their number."""
    forgotten, _ = NodeEvent.objects.filter(at__lt=timezone.now() - KEPT).delete()
    return forgotten


def _clock(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%H:%M:%S}"
