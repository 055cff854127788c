"""Who changed what by the API, for the portal's *History* pages: entries as the portal itself writes them.

While a request runs (`recording`), saves and deletions of the models in cirrus_site/history.py are noted in
each transaction (`atomic`), and written at its end, in it: what is rolled back leaves no entry. What is done
to a row by an action of its address (`drain`, `issue`) is noted by its name. What happens after the commit
is not noted: nobody asked for it. `QuerySet.update()` and `bulk_create()` send no signal.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save

from api.history_entries import Key, Note, Pages, Parts, merged

#: Characters of the name of a row in an entry.
LONGEST = 200


@dataclass
class Recorder:
    """The notes of one request. `act`: what it does to the row of its address, where it is no plain edit."""

    user_id: Any
    by: str
    act: str = ""
    depth: int = 0
    notes: list[Note] = field(default_factory=list)
    before: dict[Key, dict[str, Any]] = field(default_factory=dict)

    def write(self) -> None:
        """Write what was noted, in one statement."""
        entries = merged(self.notes, pages=_PAGES, parts=_PARTS)
        self.notes = []
        if any(key == (_user_model(), self.user_id) and e.flag == DELETION for key, e in entries.items()):
            return  # who has deleted themselves has no history
        LogEntry.objects.bulk_create(
            [
                LogEntry(
                    user_id=self.user_id,
                    content_type=ContentType.objects.get_for_model(model),
                    object_id=str(pk),
                    object_repr=entry.text[:LONGEST],
                    action_flag=entry.flag,
                    change_message=entry.message(self.by),
                )
                for (model, pk), entry in entries.items()
            ],
            batch_size=500,
        )


_CURRENT: ContextVar[Recorder | None] = ContextVar("history", default=None)
_PAGES: set[type[models.Model]] = set()
_PARTS: dict[type[models.Model], str] = {}


@contextmanager
def recording(*, user: Any, by: str, act: str = "") -> Iterator[None]:
    """Note what is done inside as done by this user; nothing for one without a row (the master token)."""
    before = _CURRENT.set(Recorder(user.pk, by, act) if user.pk else None)
    try:
        yield
    finally:
        _CURRENT.reset(before)


@contextmanager
def atomic() -> Iterator[None]:
    """A transaction (or a savepoint) with its history: what is rolled back is not told."""
    recorder = _CURRENT.get()
    with transaction.atomic():
        if recorder is None:
            yield
            return
        mark = len(recorder.notes)
        recorder.depth += 1
        try:
            yield
        except BaseException:
            del recorder.notes[mark:]
            raise
        finally:
            recorder.depth -= 1
        if transaction.get_rollback():
            del recorder.notes[mark:]
        elif not recorder.depth:
            recorder.write()


def write() -> None:
    """Write what was noted outside of transactions."""
    if recorder := _CURRENT.get():
        recorder.write()


def acted_on(row: models.Model) -> None:
    """Note that the request's action is done to this row."""
    recorder = _CURRENT.get()
    if recorder and recorder.act:
        _note(recorder, row, CHANGE, act=recorder.act)


def connect(pages: Pages, parts: Parts) -> None:
    """Listen to these models (called once). `pages`: those with a page; `parts`: the field of their whole."""
    _PAGES.update(pages)
    _PARTS.update(parts)
    for model in {*pages, *parts}:
        uid = f"history-{model._meta.label}"
        pre_save.connect(_saving, sender=model, dispatch_uid=uid)
        post_save.connect(_saved, sender=model, dispatch_uid=uid)
        post_delete.connect(_deleted, sender=model, dispatch_uid=uid)
        for many in model._meta.local_many_to_many:
            linked = partial(_linked, model, str(many.verbose_name))
            m2m_changed.connect(
                linked, sender=many.remote_field.through, dispatch_uid=f"{uid}-{many.name}", weak=False
            )


def _recorder() -> Recorder | None:
    recorder = _CURRENT.get()
    return recorder if recorder and recorder.depth else None


def _note(recorder: Recorder, row: models.Model, flag: int, **said: Any) -> None:
    recorder.notes.append(Note(row, (type(row), row.pk), str(row), flag, **said))


def _told(model: type[models.Model], names: Collection[str] | None) -> list[Any]:
    """The fields that people edit; of these names."""
    return [
        each
        for each in model._meta.concrete_fields
        if each.editable and not each.primary_key and (names is None or each.name in names)
    ]


def _saving(
    *, sender: Any, instance: models.Model, raw: bool, update_fields: Collection[str] | None, **_: Any
) -> None:
    recorder = _recorder()
    if recorder is None or raw or instance._state.adding:
        return
    wanted = [each.attname for each in _told(sender, update_fields)]
    stored = sender._base_manager.filter(pk=instance.pk).values(*wanted).first() if wanted else None
    recorder.before[sender, instance.pk] = stored or {}


def _saved(*, sender: Any, instance: models.Model, created: bool, **_: Any) -> None:
    recorder = _recorder()
    if recorder is None:
        return
    before = recorder.before.pop((sender, instance.pk), {})
    if created:
        _note(recorder, instance, ADDITION)
        return
    fields = tuple(
        str(each.verbose_name)
        for each in _told(sender, None)
        if each.attname in before and before[each.attname] != getattr(instance, each.attname)
    )
    if fields:
        _note(recorder, instance, CHANGE, fields=fields)


def _deleted(*, instance: models.Model, **_: Any) -> None:
    if recorder := _recorder():
        _note(recorder, instance, DELETION)


def _linked(
    owner: type[models.Model], name: str, /, *, instance: models.Model, action: str, pk_set: Any, **_: Any
) -> None:
    recorder = _recorder()
    # From the other side the instance is another model's.
    ours = recorder and isinstance(instance, owner)
    if recorder and ours and (action == "post_clear" or action.startswith("post_") and pk_set):
        _note(recorder, instance, CHANGE, fields=(name,))


def _user_model() -> type[models.Model]:
    related: Any = LogEntry._meta.get_field("user").related_model
    return related
