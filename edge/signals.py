"""The machinery behind the table of effects: what a save stages.

The table itself is `EFFECTS` in `cirrus_site/effects.py`. Saving or deleting an object of a model that
stands in it stages what the model's effects name, in the transaction of the save. `QuerySet.update()`
and `bulk_create()` send no signal: the scheduled comparisons find what they changed.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import models
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save

from edge.outbox import stage


@dataclass(frozen=True)
class Effect:
    """What is staged again for an object: `stage` gets what `objects` finds (primary keys, mostly)."""

    stage: Callable[[Sequence[Any]], None]
    objects: Callable[[Any], list[Any]]


def documents(kind: str, objects: Callable[[Any], list[int]]) -> Effect:
    """The documents of these objects are published again."""
    return Effect(partial(stage, kind), objects)


Effects = Mapping[type[models.Model], Sequence[Effect]]


def connect(effects: Effects, movable: Collection[type[models.Model]]) -> None:
    """Listen to the models of the table (called once, when the apps are ready).

    `movable`: parts that may move from one whole to another: saving one stages the one it leaves as well.
    """
    for model, of_model in effects.items():
        name = model._meta.label
        changed = partial(_changed, of_model)
        post_save.connect(changed, sender=model, dispatch_uid=f"save-{name}", weak=False)
        post_delete.connect(changed, sender=model, dispatch_uid=f"delete-{name}", weak=False)
        for field in model._meta.local_many_to_many:
            through = field.remote_field.through
            if through and through._meta.auto_created:
                linked = partial(_linked, of_model, model)
                uid = f"link-{name}-{field.name}"
                m2m_changed.connect(linked, sender=through, dispatch_uid=uid, weak=False)
        if model in movable:
            moving = partial(_moving, of_model)
            pre_save.connect(moving, sender=model, dispatch_uid=f"leave-{name}", weak=False)


def _changed(effects: Sequence[Effect], *, instance: models.Model, **_: Any) -> None:
    for effect in effects:
        if objects := effect.objects(instance):
            effect.stage(objects)


def _linked(
    effects: Sequence[Effect], owner: type[models.Model], /, *, instance: models.Model, action: str, **_: Any
) -> None:
    # From the other side the instance is another model's: whatever it links is edited from here only.
    if isinstance(instance, owner) and action in ("post_add", "post_remove", "post_clear"):
        _changed(effects, instance=instance)


def _moving(
    effects: Sequence[Effect], *, sender: type[models.Model], instance: models.Model, **_: Any
) -> None:
    stored = sender._default_manager.filter(pk=instance.pk).first() if instance.pk else None
    for effect in effects:
        if stored and (objects := effect.objects(stored)) != effect.objects(instance):
            effect.stage(objects)
