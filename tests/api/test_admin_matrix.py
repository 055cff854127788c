"""The matrix of rights in the portal, every cell of it: role × page, and role × action."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.messages import get_messages
from django.db import transaction
from django.test import Client, RequestFactory
from django.urls import NoReverseMatch, reverse

from certificates.issuance import delegation
from tests.api.admin_matrix import LINES, SITE, SUGGESTING, owned_by, world
from tests.api.conftest import user_with, with_settings
from tests.api.matrix import ROLES
from tests.servers import free_port

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]  # a line is up to 200 pages

PAGES = {model._meta.label: page for model, page in admin.site._registry.items()}
LOGIN, INDEX = "/admin/login/", "/admin/"
#: Django's own pages of each model.
STANDARD = ("changelist", "add", "history", "delete", "change")


@pytest.fixture(autouse=True)
def no_resolvers(monkeypatch):
    """Nobody answers where the page of delegations asks, and it does not wait for long."""
    monkeypatch.setattr(delegation, "PATIENCE", 0.05)
    with with_settings(resolvers=[f"127.0.0.1:{free_port()}"]):
        yield


def member(role: str) -> Any:
    """A person in this role. Who is in none may enter the portal here, so that its pages must refuse."""
    user = user_with(role)
    user.is_staff = True
    user.save()
    return user


def address(label: str, page: str, *args: Any) -> str:
    return reverse(f"admin:{label.lower().replace('.', '_')}_{page}", args=args)


def own(name: str, pk: Any) -> str:
    """The address of a page of its own: of one row, or of the list."""
    try:
        return reverse(f"admin:{name}", args=[pk])
    except NoReverseMatch:
        return reverse(f"admin:{name}")


def row_of(label: str, rows: dict[str, Any]) -> Any:
    """The primary key of a row of this model."""
    return (
        rows.get(label) or apps.get_model(label)._default_manager.order_by("pk").values_list("pk").first()[0]
    )


def ask(client: Client, method: str, path: str, data: Any = None) -> Any:
    """The answer; what the request has done is undone."""
    with transaction.atomic():
        answer = client.generic(method, path) if method == "GET" else client.post(path, data or {})
        transaction.set_rollback(True)
    assert answer.status_code < 500
    return answer


def is_open(answer: Any) -> bool:
    """Whether the page was there for whoever asked. To the first page it sends from what one may not see."""
    if answer.status_code in (301, 302):
        return not answer["Location"].startswith(LOGIN) and answer["Location"] != INDEX
    return answer.status_code not in (403, 404)


def has_acted(client: Client, label: str, action: str, pk: Any) -> bool:
    """Whether an action was taken up: else the list is shown again, or says that none was chosen."""
    data = {"action": action, "_selected_action": [pk], "index": 0, "post": "yes"}
    answer = ask(client, "POST", address(label, "changelist"), data)
    said = [str(message) for message in get_messages(answer.wsgi_request)]
    client.cookies.pop("messages", None)
    return is_open(answer) and "No action selected." not in said and "cl" not in (answer.context or {})


def cells_of(label: str, pk: Any, client: Client) -> Iterator[tuple[str, bool]]:
    """What of a line was open to whoever this client is: cell → whether."""
    line = LINES[label]
    for method, page, args, data in (
        ("GET", "changelist", (), None),
        ("GET", "change", (pk,), None),
        ("GET", "history", (pk,), None),
        ("GET", "add", (), None),
        ("POST", "add", (), None),
        ("POST", "change", (pk,), None),
        ("GET", "delete", (pk,), None),
        ("POST", "delete", (pk,), {"post": "yes"}),
    ):
        yield f"{method} {page}", is_open(ask(client, method, address(label, page, *args), data))
    for action in (*line.actions, "delete_selected"):
        yield f"action {action}", has_acted(client, label, action, pk)
    for button in line.buttons:
        answer = ask(client, "POST", address(label, "change", pk), {button: "1"})
        yield f"button {button}", is_open(answer)
    for name in line.pages:
        for method in ("GET", "POST"):
            yield f"{method} {name}", is_open(ask(client, method, own(name, pk)))


def expected_of(label: str, role: str) -> dict[str, bool]:
    line = LINES[label]
    roles = {
        **dict.fromkeys(("GET changelist", "GET change", "GET history"), line.view),
        **dict.fromkeys(("GET add", "POST add"), line.add),
        "POST change": line.change,
        **dict.fromkeys(("GET delete", "POST delete", "action delete_selected"), line.delete),
        **{f"action {name}": may for name, may in line.actions.items()},
        **{f"button {name}": line.change for name in line.buttons},
        **{f"{method} {name}": may for name, may in line.pages.items() for method in ("GET", "POST")},
    }
    return {cell: role in may for cell, may in roles.items()}


@pytest.mark.parametrize("label", LINES)
def test_each_role_may_on_the_pages_of_a_model_what_its_line_says_and_nothing_else(label, keyspace):
    people = {role: member(role) for role in ROLES}
    rows = world(people["superuser"])
    pk = row_of(label, rows)
    found, expected = {}, {}
    for role, person in people.items():
        owned_by(person)
        client = Client()
        client.force_login(person)
        found |= {(role, cell): seen for cell, seen in cells_of(label, pk, client)}
        expected |= {(role, cell): may for cell, may in expected_of(label, role).items()}
    assert found == expected


@pytest.mark.parametrize("path", SITE)
def test_each_role_may_see_the_pages_of_the_site_that_its_line_says(path, keyspace):
    found = {}
    for role in ROLES:
        client = Client()
        client.force_login(member(role))
        found[role] = is_open(ask(client, "GET", f"/admin/{path}"))
    assert found == {role: role in SITE[path] for role in ROLES}


@pytest.mark.parametrize("label, name", SUGGESTING)
def test_rows_are_suggested_to_those_who_may_see_them(label, name, keyspace):
    app, model = label.lower().split(".")
    path = f"/admin/autocomplete/?app_label={app}&model_name={model}&field_name={name}"
    found = {}
    for role in ROLES:
        client = Client()
        client.force_login(member(role))
        found[role] = is_open(ask(client, "GET", path))
    assert found == {role: role in SUGGESTING[label, name] for role in ROLES}


@pytest.mark.parametrize("label", LINES)
def test_strangers_and_people_outside_the_portal_are_sent_to_the_login(label, keyspace):
    rows = world(member("superuser"))
    pk = row_of(label, rows)
    outsider = user_with("nobody")
    inside = Client()
    inside.force_login(outsider)
    for client in (Client(), inside):
        assert {cell for cell, seen in cells_of(label, pk, client) if seen} == set()


# -- nothing is forgotten ----------------------------------------------------------------------------


def test_every_page_and_every_action_of_the_portal_has_its_line():
    assert set(LINES) == set(PAGES)
    boss = RequestFactory().get("/")
    boss.user = member("superuser")
    known = {f"admin:{label.lower().replace('.', '_')}_{page}" for label in LINES for page in STANDARD}
    for label, line in LINES.items():
        known |= {f"admin:{name}" for name in line.pages}
        assert set(PAGES[label].get_actions(boss)) - {"delete_selected"} == set(line.actions), label
        assert set(PAGES[label].actions_submit_line) == set(line.buttons), label
        there = {f"admin:{pattern.name}" for pattern in PAGES[label].get_urls() if pattern.name}
        assert there <= known, label
        assert {f"admin:{name}" for name in line.pages} <= there, label


def test_every_page_of_the_site_and_every_suggesting_field_has_its_line():
    apart = {"login", "logout", "autocomplete", "view_on_site", "app_list"}
    known = {f"/admin/{path.partition('?')[0]}" for path in SITE}
    models = {pattern.name for page in PAGES.values() for pattern in page.get_urls()}
    for pattern in admin.site.get_urls():
        if name := getattr(pattern, "name", None):
            assert name in models | apart or reverse(f"admin:{name}") in known, name
    assert {label.partition(".")[0] for label in PAGES} == {path.strip("/") for path in SITE} & {
        label.partition(".")[0] for label in PAGES
    }
    suggesting = set()
    for page in PAGES.values():
        for each in (page, *page.inlines):
            suggesting |= {(each.model._meta.label, name) for name in each.autocomplete_fields}
    assert suggesting == set(SUGGESTING)
