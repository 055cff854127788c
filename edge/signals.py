"""What a save publishes: the whole answer to “what happens outside when I save X?”.

Saving or deleting an object of a model on the left stages the documents on the right again. Nothing
else writes to the edges. Every model of ours stands in PUBLISHES or in NOT_PUBLISHED; a test holds
that, so none can be forgotten. `QuerySet.update()` and `bulk_create()` send no signal: the
reconciler (edge/sync.py) finds what they changed.
"""

from collections.abc import Callable
from typing import Any

from django.db import models
from django.db.models.signals import post_delete, post_save, pre_save

from accounts.models import User
from alarms.models import Alarm
from domains.models import CacheCondition, CacheRule, Domain, HostName, Origin
from edge.models import (
    Keyspace,
    Kind,
    Outbox,
    Publication,
    Purge,
    PurgeAllowance,
    PurgeRecord,
    PurgeTarget,
)
from edge.outbox import stage
from nodes.models import Node, NodeEvent, Region, RegionBackup


def domains_of_rule(rule_id: int) -> list[int]:
    """The domain of a rule, or none where the rule is gone already."""
    return list(CacheRule.objects.filter(pk=rule_id).values_list("domain_id", flat=True))


PUBLISHES: dict[type[models.Model], tuple[str, Callable[[Any], list[int]]]] = {
    # model     kind of document  primary keys of the objects whose documents change
    Domain: (Kind.DOMAIN, lambda domain: [domain.pk]),  # and, with it, its purges: edge/projection.py
    HostName: (Kind.DOMAIN, lambda name: [name.domain_id]),
    Origin: (Kind.DOMAIN, lambda origin: [origin.domain_id]),
    CacheRule: (Kind.DOMAIN, lambda rule: [rule.domain_id]),
    CacheCondition: (Kind.DOMAIN, lambda condition: domains_of_rule(condition.rule_id)),
    Node: (Kind.NODE, lambda node: [node.pk]),
    Region: (Kind.NODE, lambda region: list(region.nodes.values_list("pk", flat=True))),
}

#: Parts that may move from one document to another: saving one publishes the one it leaves as well.
MOVABLE: set[type[models.Model]] = {HostName, Origin, CacheRule, CacheCondition}

NOT_PUBLISHED: dict[type[models.Model], str] = {
    User: "people are known to the control plane only",
    Outbox: "is itself what is still to be published",
    Publication: "is the record of what was published",
    Keyspace: "is the counter of revisions",
    Purge: "is staged by the service that makes it, with all its targets at once",
    PurgeTarget: "is part of a purge",
    PurgeRecord: "is the record of what purges were published; who drops old ones stages their domains",
    PurgeAllowance: "is the counter of a limit",
    Alarm: "is for people",
    NodeEvent: "is the history of a node's state",
    RegionBackup: "steers the DNS only: no edge looks at it",
}


def connect() -> None:
    """Listen to the models of the table (called once, when the apps are ready)."""
    for model in PUBLISHES:
        post_save.connect(_changed, sender=model, dispatch_uid=f"publish-{model.__name__}")
        post_delete.connect(_changed, sender=model, dispatch_uid=f"withdraw-{model.__name__}")
    for model in MOVABLE:
        pre_save.connect(_moving, sender=model, dispatch_uid=f"leave-{model.__name__}")


def _changed(sender: type[models.Model], instance: models.Model, **_: Any) -> None:
    kind, objects = PUBLISHES[sender]
    if object_ids := objects(instance):
        stage(kind, object_ids)


def _moving(sender: type[models.Model], instance: models.Model, **_: Any) -> None:
    kind, objects = PUBLISHES[sender]
    stored = sender._default_manager.filter(pk=instance.pk).first() if instance.pk else None
    if stored and objects(stored) != objects(instance):
        stage(kind, objects(stored))
