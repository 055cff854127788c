"""A stranger who has nothing but the OpenAPI document asks the API everything that it allows, and much that
it does not: there is no server error, and no answer that the document does not tell.

`just strangers 1000` asks longer, and from another seed.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.api.conftest import secret_for, user_with
from tests.api.strangers import addresses, findings, schema_for
from tests.api.strangers_world import build
from tests.api.unchanging import Unchanging, no_way_out, served

LONG = int(os.environ.get("STRANGERS", "0"))
SEED = int(os.environ.get("STRANGERS_SEED", "1"))
#: Addresses that whoever has a token may ask.
OPEN = {"GET /api/v1/operations", "GET /api/v1/operations/{id}"}

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(0 if LONG else 1800)]


@pytest.fixture
def control_plane(keyspace) -> Iterator[tuple[Unchanging, Callable[..., Any]]]:
    """The API with a world behind it, and what makes the schema for somebody in some role."""
    boss = user_with("superuser")
    world = build(boss)
    secrets = {role: secret_for(user_with(role)) for role in ("superuser", "nobody")}
    app = Unchanging()
    with no_way_out(), served(app) as base:

        def schema(role: str, *, examples: int = LONG or 2, sample: int = 1 if LONG else 48) -> Any:
            return schema_for(
                base=base,
                world=world,
                secret=secrets[role],
                examples=examples,
                seed=SEED,
                sample=sample,
            )

        yield app, schema


def without_sequences(schema: Any) -> Any:
    schema.config.phases.stateful.enabled = False
    return schema


def test_the_world_has_something_at_every_address(keyspace):
    world = build(user_with("superuser"))
    assert addresses() == set(world)
    assert all(world.values()), world


def test_who_may_everything_finds_no_mistake_of_ours(control_plane):
    answers: dict[str, set[int]] = {}
    found = list(findings(without_sequences(control_plane[1]("superuser")), answers))
    assert not found, "\n\n".join(found)
    assert any(200 in codes for codes in answers.values())


def test_who_may_nothing_is_told_so_and_gets_nothing(control_plane):
    answers: dict[str, set[int]] = {}
    schema = without_sequences(control_plane[1]("nobody", examples=1, sample=1 if LONG else 10**9))
    found = list(findings(schema, answers))
    assert not found, "\n\n".join(found)
    got = {label: codes for label, codes in answers.items() if label not in OPEN}
    assert all(code in (400, 401, 403, 404, 405) for codes in got.values() for code in codes), got


def test_what_was_made_is_found_changed_and_gone_along_the_links(control_plane):
    app, schema = control_plane
    app.keeping = False
    machine = schema("superuser").as_state_machine()

    class Sequence(machine):
        def setup(self) -> None:
            app.restore()

        def before_call(self, case: Any) -> None:
            if case.query:  # a dry run deletes nothing, which checks cannot know
                case.query.pop("dry_run", None)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": self.schema.config.headers}  # so that checks know whose token it is

    Sequence.run(
        settings=settings(
            max_examples=LONG or 25,
            stateful_step_count=6,
            deadline=None,
            derandomize=not LONG,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
    )
