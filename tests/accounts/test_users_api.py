"""People and roles by the API. Nobody raises their own rights, or touches a person who has more."""

import pytest

from accounts.models import User
from tests.api.conftest import as_role, boss, unlimited, user_with  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db
USERS = "/api/v1/users"


@pytest.fixture
def ada(as_role, keyspace):  # noqa: F811
    """An administrator's client."""
    return as_role("administrator")


def test_a_person_is_made_with_a_role_and_may_enter_the_portal(ada):
    made = ada.post(USERS, {"username": "tom", "roles": ["operator"], "password": "four-words-in-a-row"})
    assert made.status_code == 201, made.json()
    assert "password" not in made.json()
    tom = User.objects.get(username="tom")
    assert tom.check_password("four-words-in-a-row")
    assert tom.is_staff
    assert tom.has_perm("edge.add_purge")


def test_without_a_password_only_tokens_let_in(ada):
    ada.post(USERS, {"username": "robot", "roles": ["operator"]})
    assert not User.objects.get(username="robot").has_usable_password()


def test_a_weak_password_is_refused_with_djangos_reasons(ada):
    answer = ada.post(USERS, {"username": "tom", "password": "12345678"})
    assert answer.status_code == 400
    assert {error["field"] for error in answer.json()["errors"]} == {"/password"}


def test_putting_back_what_was_got_changes_nothing(ada):
    user_with("operator")
    before = ada.get(f"{USERS}/operator").json()
    stored = User.objects.filter(username="operator").values().get()
    assert ada.put(f"{USERS}/operator", before).json() == before
    assert User.objects.filter(username="operator").values().get() == stored


@pytest.mark.parametrize(
    "change", [{"is_superuser": True}, {"is_staff": False}, {"permissions": ["nodes.add_node"]}]
)
def test_single_rights_are_for_superusers_to_give(change, ada, boss):  # noqa: F811
    user_with("operator")
    assert ada.patch(f"{USERS}/operator", change).status_code == 403
    assert boss.patch(f"{USERS}/operator", change).status_code == 200


@pytest.mark.parametrize(
    "change", [{"password": "four-words-in-a-row"}, {"email": "x@example.com"}, {"roles": []}]
)
def test_nobody_touches_a_person_who_may_do_more(change, ada):
    user_with("superuser")
    answer = ada.patch(f"{USERS}/superuser", change)
    assert answer.status_code == 403
    assert ada.delete(f"{USERS}/superuser").status_code == 403


def test_a_role_with_more_rights_is_not_given_away(as_role, boss, keyspace):  # noqa: F811
    boss.put("/api/v1/roles/clerks", {"permissions": ["accounts.change_user", "accounts.view_user"]})
    bob = as_role("nobody")
    boss.patch(f"{USERS}/nobody", {"roles": ["clerks"]})
    assert bob.patch(f"{USERS}/nobody", {"roles": ["clerks", "administrator"]}).status_code == 403
    assert bob.patch(f"{USERS}/nobody", {"email": "bob@example.com"}).status_code == 200
    assert set(User.objects.get(username="nobody").groups.values_list("name", flat=True)) == {"clerks"}


def test_the_roles_of_cirrus_stay_as_they_are(boss, keyspace):  # noqa: F811
    assert boss.put("/api/v1/roles/viewer", {"permissions": []}).status_code == 403
    assert boss.delete("/api/v1/roles/viewer").status_code == 403
    assert boss.get("/api/v1/roles/viewer").json()["about"].startswith("sees everything")
