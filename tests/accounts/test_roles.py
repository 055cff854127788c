"""The roles: one table, kept by every migration, and asked for alike by the admin and the API."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import RequestFactory
from django.urls import reverse

from accounts.roles import ROLES, TABLE, codenames
from accounts.services import user_set_roles
from tests.api.conftest import user_with

pytestmark = pytest.mark.django_db

OURS = {"accounts", "alarms", "api", "certificates", "cirrus_site", "dnszones", "domains", "edge", "nodes"}
VERBS = ("view", "add", "change", "delete")
MODELS = sorted(
    {(rights.app, model) for rights in TABLE for model in rights.models.split()},
)
SHOWN = [pair for pair in MODELS if apps.get_model(*pair) in admin.site._registry]


def test_every_model_of_ours_stands_in_the_table_once():
    listed = [(rights.app, model) for rights in TABLE for model in rights.models.split()]
    assert len(listed) == len(set(listed))
    ours = {
        (model._meta.app_label, model._meta.model_name)
        for model in apps.get_models()
        if model._meta.app_label in OURS
    }
    assert ours - set(listed) == set()
    assert [pair for pair in listed if pair[0] in OURS and pair not in ours] == []


def test_every_page_of_the_portal_stands_in_it():
    pages = {(model._meta.app_label, model._meta.model_name) for model in admin.site._registry}
    assert pages <= set(MODELS)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_exactly_the_rights_of_the_table(role):
    held = {
        (app, name)
        for app, name in Group.objects.get(name=role).permissions.values_list(
            "content_type__app_label", "codename"
        )
    }
    labels = {config.label for config in apps.get_app_configs()}
    assert held == {(app, name) for app in labels for name in codenames(role, app)}


def test_each_role_may_what_the_one_before_it_may():
    for app in {rights.app for rights in TABLE}:
        viewer, operator, administrator = (codenames(role, app) for role in ROLES)
        assert viewer <= operator <= administrator


def test_a_migration_puts_right_what_was_changed_by_hand():
    group = Group.objects.get(name="viewer")
    before = set(group.permissions.values_list("pk", flat=True))
    group.permissions.add(Permission.objects.get(codename="delete_domain"))
    group.permissions.remove(Permission.objects.get(codename="view_node"))
    call_command("migrate", verbosity=0)
    assert set(group.permissions.values_list("pk", flat=True)) == before


@pytest.mark.parametrize("app, model", SHOWN)
@pytest.mark.parametrize("role", [*ROLES, "superuser", "nobody"])
def test_the_pages_of_the_portal_ask_for_the_rights_of_the_table(role, app, model, client, keyspace):
    user = user_with(role)
    user.is_staff = True  # also for who is in no role: the pages themselves must refuse
    user.save()
    client.force_login(user)
    page = admin.site._registry[apps.get_model(app, model)]
    boss = RequestFactory().get("/")
    boss.user = user_with("superuser")
    for verb in VERBS:
        may = role == "superuser" or (role in ROLES and f"{verb}_{model}" in codenames(role, app))
        there = getattr(page, f"has_{verb}_permission")(boss)
        request = RequestFactory().get("/")
        request.user = type(user).objects.get(pk=user.pk)
        expected = may and there
        if app == "auth" and verb != "view":
            expected = role == "superuser"
        assert bool(getattr(page, f"has_{verb}_permission")(request)) is expected, verb
    seen = client.get(reverse(f"admin:{app}_{model}_changelist")).status_code
    visible = role == "superuser" or (
        role in ROLES and bool(codenames(role, app) & {f"view_{model}", f"change_{model}"})
    )
    assert seen == (200 if visible else 403)
    added = client.get(reverse(f"admin:{app}_{model}_add")).status_code
    may_add = bool(page.has_add_permission(boss)) and (
        role == "superuser" or (role in ROLES and f"add_{model}" in codenames(role, app))
    )
    assert (added == 403) is not may_add, added


def test_who_is_in_a_role_may_enter_the_portal_and_who_leaves_it_may_not():
    boss, tom = user_with("superuser"), user_with("nobody")
    assert user_set_roles(user=tom, roles={"viewer"}, by=boss)
    assert tom.is_staff
    assert not user_set_roles(user=tom, roles={"viewer"}, by=boss)
    user_set_roles(user=tom, roles=set(), by=boss)
    assert not tom.is_staff
