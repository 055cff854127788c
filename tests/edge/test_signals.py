"""The table of signals is whole, and no door goes around it."""

import ast
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

from cirrus_site.effects import EFFECTS, MOVABLE, NO_EFFECT
from dnszones.models import Record
from domains.models import CacheCondition, CacheRule, HostName, Origin

OURS = {"accounts", "alarms", "api", "certificates", "cirrus_site", "dnszones", "domains", "edge", "nodes"}
ROOMS_WITH_DOORS = ["*admin", "admin/*", "views", "tasks", "api", "serializers", "management/commands/*"]
DOORS = sorted(
    path for app in OURS for room in ROOMS_WITH_DOORS for path in (settings.BASE_DIR / app).glob(f"{room}.py")
)
#: Methods of a QuerySet that send no signal.
SILENT = {"update", "bulk_create", "bulk_update", "_raw_delete"}


def test_every_model_of_ours_is_in_exactly_one_table():
    models = {model for model in apps.get_models() if model._meta.app_label in OURS}
    assert models
    assert set(EFFECTS) | set(NO_EFFECT) == models
    assert not set(EFFECTS) & set(NO_EFFECT)
    assert all(NO_EFFECT.values())


def test_whatever_may_move_to_another_document_is_listened_to_before_it_does():
    assert {HostName, Origin, CacheRule, CacheCondition, Record} == MOVABLE
    assert set(EFFECTS) >= MOVABLE


def silent_calls(source):
    """Calls of methods that send no signal, on what could be a QuerySet: (line, method)."""
    return [
        (node.lineno, node.func.attr)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in SILENT
        and not (node.func.attr == "update" and node.args)  # dict.update(other), hashlib's update(bytes)
    ]


@pytest.mark.parametrize("path", DOORS, ids=lambda path: str(path.relative_to(settings.BASE_DIR)))
def test_no_door_changes_rows_behind_the_signals(path: Path):
    # A progress bar's update(task, …) has an argument; a QuerySet's has only keywords.
    assert silent_calls(path.read_text()) == []


def test_the_look_at_the_doors_sees_what_it_should():
    assert DOORS
    assert silent_calls("Domain.objects.filter(pk=1).update(enabled=False)") == [(1, "update")]
    assert silent_calls("Domain.objects.bulk_create([])") == [(1, "bulk_create")]
    assert silent_calls("context.update({'a': 1})") == []
